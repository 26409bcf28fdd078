"""Serves the start page, the documentation and the runs' pages: `python -m services.start HOST PORT`.

The environment has `NAME_ADDRESS` and `NAME_PORT` of each service (`orionbox.services`), and the folders `DOCS` and
`REPORTS`.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from orionbox.http_guard import HttpGuard, further_hosts
from orionbox.lesson.checks import GROUP_TITLES, PASSED, as_json, next_result
from services.start.documents import list_pages, read_page
from services.start.home import find_run, gather_overview, last_runs, runs_with_counts
from services.start.lesson.progress import Progress
from services.start.status import TIMEOUT, OrionDownError, Platform, ago

PLATFORM: web.AppKey[Platform] = web.AppKey("platform", Platform)
PROGRESS: web.AppKey[Progress] = web.AppKey("progress", Progress)
GUARD: web.AppKey[HttpGuard] = web.AppKey("guard", HttpGuard)
BUILD_LOCK: web.AppKey[asyncio.Semaphore] = web.AppKey("build_lock", asyncio.Semaphore)
"""Lets one run's page be built at a time."""
HEADERS = {
    # Whatever a page contains, the browser loads nothing from anywhere else
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "script-src 'self'; connect-src 'self'; frame-ancestors 'self'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
RELOAD_SECONDS = 5
"""How often the page reloads itself while something is down or a run is active."""
RUNS_ON_PAGE = 25
NOT_BUILT = "The page could not be built; see why with: make logs SERVICE=start\n"
REPORT_NAME = re.compile(r"[a-z0-9-]+-[0-9a-f]{8}\.html")

templates = Environment(loader=PackageLoader("services.start", "."), autoescape=True, trim_blocks=True)
routes = web.RouteTableDef()


class Report(NamedTuple):
    """A line in the list of reports."""

    file: str
    run: str
    """The run's name, for example `big-dog`."""
    when: str
    is_saved: bool


def sentence(text: str) -> Markup:
    """Returns the text with a capital letter, and what is in backticks as code."""
    parts = f"{text[:1].upper()}{text[1:]}".split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def page(template: str, status: int = 200, **values: object) -> web.Response:
    """Renders a page from a template."""
    text = templates.get_template(template).render(**values)
    return web.Response(status=status, text=text, content_type="text/html", headers=HEADERS)


templates.filters["sentence"] = sentence
templates.filters["gigabytes"] = lambda size: f"{size / 1e9:,.1f} GB"


@routes.get("/")
async def start(request: web.Request) -> web.Response:
    """Serves the start page."""
    overview = await gather_overview(request.app[PLATFORM], request.app[PROGRESS])
    response = page("start.html", overview=overview, orion=request.app[PLATFORM].orion_link)
    if overview.down or overview.slow or overview.has_active_run:
        response.headers["Refresh"] = str(RELOAD_SECONDS)
    return response


@routes.get("/lesson")
async def lesson(request: web.Request) -> web.Response:
    """Serves the lesson's page: what has passed, and what comes next."""
    results = await request.app[PROGRESS].results()
    groups = {title: [each for each in results if each.check.group == name] for name, title in GROUP_TITLES.items()}
    return page("lesson.html", groups=groups, next=next_result(results))


@routes.get("/lesson.json")
async def lesson_json(request: web.Request) -> web.Response:
    """Serves the result of every check, for `make check`."""
    results = await request.app[PROGRESS].results()
    content = {"passed": sum(each.status == PASSED for each in results), "checks": as_json(results)}
    return web.json_response(content, headers=HEADERS)


@routes.get("/healthz")
async def health(request: web.Request) -> web.Response:
    """Answers that this server is healthy, independent of the other services."""
    return web.Response(text="ok\n")


@routes.get("/style.css")
async def style(request: web.Request) -> web.StreamResponse:
    """Serves the style of all pages."""
    return web.FileResponse(Path(__file__).with_name("style.css"), headers=HEADERS)


@routes.get("/page.js")
async def script(request: web.Request) -> web.StreamResponse:
    """Serves the script of all pages: buttons that copy commands, and the lesson's live state."""
    return web.FileResponse(Path(__file__).with_name("page.js"), headers=HEADERS)


@routes.get("/docs/")
async def documentation(request: web.Request) -> web.Response:
    """Leads to the first page of the documentation."""
    raise web.HTTPFound(f"/docs/{list_pages(Path(os.environ['DOCS']))[0].name}.md")


@routes.get(r"/docs/{name:[A-Za-z0-9-]+}.md")
async def document(request: web.Request) -> web.Response:
    """Serves a page of the documentation."""
    found = read_page(Path(os.environ["DOCS"]), request.match_info["name"])
    if not found:
        raise web.HTTPNotFound(text=f"There is no page {request.match_info['name']}.md in the documentation.")
    return page("document.html", page=found)


@routes.get(r"/docs/images/{name:[a-z0-9-]+\.png}")
async def image(request: web.Request) -> web.StreamResponse:
    """Serves a picture of docs/."""
    return _file(Path(os.environ["DOCS"]) / "images" / request.match_info["name"])


@routes.get("/reports/")
async def reports(request: web.Request) -> web.Response:
    """Lists the saved reports, and those that can be built."""
    folder, now = Path(os.environ["REPORTS"]), datetime.now(UTC)
    files = {path.name: path.stat().st_mtime for path in folder.glob("*.html") if REPORT_NAME.fullmatch(path.name)}
    saved = {name: datetime.fromtimestamp(seconds, UTC) for name, seconds in files.items()}
    try:
        built_on_request, orion_answers = await runs_with_counts(request.app[PLATFORM]), True
    except OrionDownError:
        built_on_request, orion_answers = {}, False
    moments = sorted({**built_on_request, **saved}.items(), key=lambda item: item[1], reverse=True)
    found = [Report(name, name.rpartition("-")[0], ago(when.isoformat(), now), name in saved) for name, when in moments]
    return page("reports.html", reports=found, orion_answers=orion_answers)


@routes.get("/runs/")
async def runs(request: web.Request) -> web.Response:
    """Lists all runs, a page at a time."""
    asked = request.query.get("page", "1")
    number = int(asked) if re.fullmatch("[1-9][0-9]{0,5}", asked) else 1
    # One more than the page shows tells whether there is another page
    found = await last_runs(request.app[PLATFORM], RUNS_ON_PAGE + 1, (number - 1) * RUNS_ON_PAGE)
    shown = None if found is None else found[:RUNS_ON_PAGE]
    return page("runs.html", runs=shown, number=number, has_more=len(found or []) > RUNS_ON_PAGE)


@routes.get(r"/reports/{name:[a-z0-9-]+}-{start:[0-9a-f]{8}}.html")
async def report(request: web.Request) -> web.StreamResponse:
    """Serves a run's page: the saved one, or one built now."""
    name, start = request.match_info["name"], request.match_info["start"]
    saved = Path(os.environ["REPORTS"]) / f"{name}-{start}.html"
    if saved.is_file():
        return _file(saved)
    try:
        run_id = await find_run(request.app[PLATFORM], start)
    except OrionDownError as error:
        text = "Orion does not answer; try again, or start it with: make up\n"
        raise web.HTTPServiceUnavailable(text=text) from error
    if not run_id:
        raise web.HTTPNotFound(text=f"There is no run {name} ({start}…) with counts.\n")
    async with request.app[BUILD_LOCK]:
        content = await build_page(run_id)
    if not content:
        raise web.HTTPServiceUnavailable(text=NOT_BUILT)
    return web.Response(text=content, content_type="text/html", headers=HEADERS)


async def build_page(run_id: str) -> str:
    """Builds the run's page in a separate process, which frees its memory when it ends; empty if that fails."""
    command = (sys.executable, "-m", "services.start.run_page", run_id)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    text, _ = await process.communicate()
    return "" if process.returncode else text.decode()


def _file(path: Path) -> web.FileResponse:
    if not path.is_file():
        raise web.HTTPNotFound(text=f"There is no {path.name}.\n")
    return web.FileResponse(path, headers=HEADERS)


async def _open_platform(app: web.Application) -> AsyncIterator[None]:
    """Opens the HTTP client, which looks up addresses each time: a restarted service has a new one."""
    connector = aiohttp.TCPConnector(force_close=True, use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        app[PLATFORM] = Platform(session, os.environ)
        app[PROGRESS] = Progress(app[PLATFORM], session, os.environ)
        watch = asyncio.create_task(app[PROGRESS].watch())
        yield
        watch.cancel()


@web.middleware
async def errors_as_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers an error with a page that says what is wrong and leads home."""
    try:
        return await handler(request)
    except web.HTTPNotFound as error:
        is_unknown = request.match_info.http_exception is not None  # no route has this address
        text = f"There is no {request.path} here." if is_unknown else error.text
        return page("message.html", error.status, title="Page not found", text=text)
    except web.HTTPClientError as error:
        return page("message.html", error.status, title=error.reason, text=f"{request.method} is not answered here.")
    except web.HTTPServerError as error:
        return page("message.html", error.status, title="Not now", text=error.text)
    except web.HTTPException:  # leads elsewhere
        raise
    except Exception:
        request.app.logger.exception("%s", request.path)
        return page("message.html", 500, title="Not now", text=NOT_BUILT)


@web.middleware
async def refuse_foreign_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers nothing that a web page elsewhere asks."""
    refusal = request.app[GUARD].refusal(request.method, request.path, request.headers.items())
    if refusal:
        return page("message.html", int(refusal.status), title="Refused", text=refusal.text.removeprefix("Refused: "))
    return await handler(request)


def make_app() -> web.Application:
    """Builds the server."""
    app = web.Application(middlewares=[refuse_foreign_pages, errors_as_pages])
    app[GUARD] = HttpGuard("start", r"/", further_hosts=further_hosts())
    app[BUILD_LOCK] = asyncio.Semaphore(1)
    app.add_routes(routes)
    app.cleanup_ctx.append(_open_platform)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host=sys.argv[1], port=int(sys.argv[2]), access_log=None, print=None)
