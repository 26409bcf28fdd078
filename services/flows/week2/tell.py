import asyncio

from prefect import get_client
from prefect.blocks.notifications import SlackWebhook
from prefect.blocks.system import Secret

webhook = SlackWebhook(url="https://hooks.slack.com/services/T0/B0/class")
block_id = webhook.save("class-chat", overwrite=True)
webhook.notify("hello from a block")
Secret(value="abracadabra").save("course-secret", overwrite=True)


async def notify_on_completion() -> None:
    async with get_client() as client:
        await client.create_flow_run_notification_policy(
            block_document_id=block_id, is_active=True, tags=[], state_names=["Completed"]
        )


asyncio.run(notify_on_completion())
