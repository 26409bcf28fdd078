"""The client of Orion's API, against a server that fails in every way that a real one does."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from orionbox.errors import CommandError
from orionbox.orion.client import (
    ONE_TRY,
    ApiError,
    JsonApi,
    NoAnswerError,
    Orion,
    RefusedError,
    Retries,
    as_table,
)
from tests.unit.fake_api import (
    Answer,
    FakeApi,
    HangingAnswer,
    answer_garbage,
    close_connection,
    json_answer,
    raw_answer,
    reset_connection,
)

QUICK = Retries(5, first_pause=0.001, longest_pause=0.001)
FAILURES: dict[str, Answer] = {
    "an error of the server": json_answer({"detail": "the database is gone"}, 500),
    "a database that is busy": json_answer({}, 503),
    "a web page": raw_answer(b"<html>Welcome</html>"),
    "half an answer": raw_answer(b'{"half": ', length=100),
    "a closed connection": close_connection,
    "a reset connection": reset_connection,
    "another protocol": answer_garbage,
    "bytes that are no text": raw_answer(b"\xff\xfe"),
}
each_failure = pytest.mark.parametrize("failure", FAILURES.values(), ids=list(FAILURES))


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi().serving() as api:
        yield api


@each_failure
def test_a_request_without_a_proper_answer_is_repeated(api: FakeApi, failure: Answer) -> None:
    api.answers = [failure, failure, json_answer({"id": "x"})]
    assert Orion(api.url, QUICK).run("x") == {"id": "x"}
    assert api.requests == [("GET", "/api/flow_runs/x", None)] * 3


@each_failure
def test_a_single_try_ends_in_an_error_for_the_user(api: FakeApi, failure: Answer) -> None:
    api.answers = [failure]
    with pytest.raises(NoAnswerError) as caught:
        Orion(api.url, ONE_TRY).run("x")
    assert isinstance(caught.value, CommandError) and isinstance(caught.value, OSError)
    assert caught.value.text.startswith(f"Orion does not answer at {api.url}/api (")
    assert caught.value.fix == "look at the services with: make status"


def test_a_late_answer_is_asked_for_again(api: FakeApi) -> None:
    late = HangingAnswer()
    api.answers = [late, json_answer({"id": "x"})]
    try:
        assert Orion(api.url, QUICK, timeout=0.05).run("x") == {"id": "x"}
    finally:
        late.over.set()


def test_a_server_that_is_started_again_is_waited_for() -> None:
    with FakeApi().serving() as first:
        url = first.url
    second, gone = FakeApi(), threading.Event()
    retries = Retries(5, 0.001, 0.01, on_silence=lambda seconds: gone.set())

    def start_again() -> None:
        assert gone.wait(5)
        with second.serving(int(url.rpartition(":")[2])):
            done.wait(5)

    done = threading.Event()
    thread = threading.Thread(target=start_again)
    thread.start()
    try:
        assert Orion(url, retries).run("x") == {}
    finally:
        done.set()
        thread.join()


def test_silence_is_reported_while_it_lasts_and_when_it_ends(api: FakeApi) -> None:
    calls: list[str] = []
    retries = Retries(5, 0.001, 0.001, lambda seconds: calls.append("silent"), lambda: calls.append("back"))
    client = Orion(api.url, retries)
    client.run("x")
    assert calls == []
    api.answers = [close_connection, json_answer({}, 500)]
    client.run("x")
    assert calls == ["silent", "silent", "back"]


def test_the_retries_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    tries: list[float] = []
    with pytest.raises(NoAnswerError, match="Connection refused"):
        Orion(url, Retries(0.05, 0.001, 0.02, on_silence=tries.append)).run("x")
    assert len(tries) > 2 and tries == sorted(tries)


def test_pauses_grow_to_a_limit() -> None:
    pauses = Retries(first_pause=1, longest_pause=5).pauses()
    assert [next(pauses) for _ in range(5)] == [1, 2, 4, 5, 5]


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_is_an_error_at_once(api: FakeApi, status: int) -> None:
    api.answers = [json_answer({"detail": "no such thing"}, status)]
    with pytest.raises(RefusedError, match=f"Orion refuses flow_runs/x: {status} .*no such thing") as caught:
        Orion(api.url, QUICK).run("x")
    assert caught.value.status == status
    assert len(api.requests) == 1


def test_a_run_is_started_once_however_often_it_is_asked_for(api: FakeApi) -> None:
    def route(path: str, body: Any) -> Any:
        return {"id": "run-of-" + body["idempotency_key"]} if body else {"id": "deployment"}

    api.route, api.answers = route, [json_answer({"id": "deployment"}), close_connection, json_answer({}, 500)]
    run_id = Orion(api.url, QUICK).start_run("etl/docker", {"months": [1]})
    (_, asked, _), *created = api.requests
    assert asked == "/api/deployments/name/etl/docker"
    assert len(created) == 3 and created[0] == created[1] == created[2]
    assert created[0][2]["parameters"] == {"months": [1]}
    assert run_id == f"run-of-{created[0][2]['idempotency_key']}"
    assert Orion(api.url, QUICK).start_run("etl/docker", {}) != run_id


def test_a_deployment_that_is_missing_can_be_created_by_up(api: FakeApi) -> None:
    api.answers = [json_answer({"detail": "Deployment not found"}, 404)]
    with pytest.raises(RefusedError) as caught:
        Orion(api.url, QUICK).start_run("etl/docker", {})
    assert (caught.value.text, caught.value.fix) == ("Orion has no deployment etl/docker", "create it with: make up")


def test_a_post_that_may_do_something_twice_is_not_repeated(api: FakeApi) -> None:
    api.answers = [close_connection]
    with pytest.raises(NoAnswerError):
        Orion(api.url, QUICK).call("deployments/d/create_flow_run", {})
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("path", "body", "method"),
    [("flow_runs/filter", {}, ""), ("flow_runs/x/set_state", {}, ""), ("flow_runs/x", None, "DELETE")],
)
def test_reads_and_settings_of_a_state_are_repeated(api: FakeApi, path: str, body: Any, method: str) -> None:
    api.answers = [close_connection]
    Orion(api.url, QUICK).call(path, body, method)
    assert len(api.requests) == 2


@pytest.mark.parametrize("end", ["", "/", "/api"])
def test_the_address_may_be_the_site_s_or_the_api_s(end: str) -> None:
    client = Orion(f"http://127.0.0.1:4200{end}")
    assert client.url == "http://127.0.0.1:4200/api"
    assert client.run_url("x") == "http://localhost:4200/flow-runs/flow-run/x", "a link for the user's browser"


def test_no_proxy_stands_between_the_platform_s_services(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert Orion(api.url, ONE_TRY).run("x") == {}


def test_all_pages_are_read(api: FakeApi) -> None:
    objects = [{"id": number} for number in range(401)]
    api.route = lambda path, body: objects[body["offset"] : body["offset"] + body["limit"]]
    assert Orion(api.url, QUICK).list_objects("flow_runs") == objects
    assert len(api.requests) == 3


def test_a_log_line_comes_once(api: FakeApi) -> None:
    lines = [{"id": str(number), "timestamp": "t", "level": 20, "message": f"m{number}"} for number in range(3)]
    api.route = lambda path, body: lines[:2] if path.endswith("logs/filter") else [{"id": "child"}]
    client, seen = Orion(api.url, QUICK), set[str]()
    assert [message for _, _, message in client.logs("x", seen)] == ["m0", "m1"]
    api.route = lambda path, body: lines if path.endswith("logs/filter") else []
    assert [message for _, _, message in client.logs("x", seen)] == ["m2"]
    asked = [body for _, path, body in api.requests if path.endswith("logs/filter")]
    assert asked[0]["logs"] == {"flow_run_id": {"any_": ["x", "child"]}}


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"status": "ACCEPT", "state": {"type": "CANCELLING"}}, "CANCELLING"),
        ({"status": "REJECT", "state": {"type": "CANCELLED"}}, "CANCELLED"),
        ({"status": "ABORT", "state": None}, "COMPLETED"),
    ],
)
def test_a_cancelled_run_s_state_comes_from_orion(api: FakeApi, answer: Any, state: str) -> None:
    api.answers = [json_answer(answer), json_answer({"state_type": "COMPLETED"})]
    assert Orion(api.url, QUICK).cancel_run("x") == state


def test_a_table_is_the_newest_one_of_the_run(api: FakeApi) -> None:
    api.answers = [json_answer([{"data": '[{"rows": 1}]'}]), json_answer([])]
    client = Orion(api.url, QUICK)
    assert client.table_artifact("x", "etl-report") == [{"rows": 1}]
    assert client.table_artifact("x", "etl-report") == []


@pytest.mark.parametrize("data", [None, "", "[", 50_000 * "[", '{"a": 1}', {"a": 1}, 7, f"[{5000 * '9'}]"])
def test_an_artifact_that_is_no_table_has_no_rows(data: object) -> None:
    assert as_table(data) == []


def test_another_api_has_its_own_address_and_headers(api: FakeApi) -> None:
    assert JsonApi(f"{api.url}/v2", headers={"Authorization": "Bearer x"}).call("queries") == {}
    assert api.requests == [("GET", "/v2/queries", None)]
    assert api.headers[0]["Authorization"] == "Bearer x"


@pytest.mark.parametrize("error", [NoAnswerError("text", "fix"), RefusedError("text", "fix")])
def test_errors_travel_between_processes(error: ApiError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (again.text, again.fix, str(again)) == ("text", "fix", "text; fix")
    # What Dask does, and so any test that imports it: it creates the error without its arguments
    assert isinstance(type(error).__new__(type(error)), ApiError)
