"""Serves the start page, the documentation and the runs' pages: `python -m services.start HOST PORT`.

The environment has `NAME_ADDRESS` and `NAME_PORT` of each service (`orionbox.services`), and the folders `DOCS` and
`REPORTS`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web
from jinja2 import Environment, PackageLoader
from markdown import markdown

from services.start.home import find_run, gather_overview
from services.start.status import TIMEOUT, OrionDownError, Platform

PLATFORM: web.AppKey[Platform] = web.AppKey("platform", Platform)
BUILD_LOCK: web.AppKey[asyncio.Semaphore] = web.AppKey("build_lock", asyncio.Semaphore)
"""Lets one run's page be built at a time."""
HEADERS = {
    # Whatever a page contains, the browser loads nothing from anywhere else
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
RELOAD_SECONDS = 5
"""How often the page reloads itself while something is down."""

templates = Environment(loader=PackageLoader("services.start", "."), autoescape=True, trim_blocks=True)
routes = web.RouteTableDef()


def page(template: str, **values: object) -> web.Response:
    """Renders a page from a template."""
    text = templates.get_template(template).render(**values)
    return web.Response(text=text, content_type="text/html", headers=HEADERS)


@routes.get("/")
async def start(request: web.Request) -> web.Response:
    """Serves the start page."""
    overview = await gather_overview(request.app[PLATFORM])
    response = page("start.html", overview=overview, orion=request.app[PLATFORM].orion_link)
    if overview.down:
        response.headers["Refresh"] = str(RELOAD_SECONDS)
    return response


@routes.get("/healthz")
async def health(request: web.Request) -> web.Response:
    """Answers that this server is healthy, independent of the other services."""
    return web.Response(text="ok\n")


@routes.get("/style.css")
async def style(request: web.Request) -> web.StreamResponse:
    """Serves the style of all pages."""
    return web.FileResponse(Path(__file__).with_name("style.css"), headers=HEADERS)


@routes.get(r"/docs/{name:[a-z0-9-]+}.md")
async def document(request: web.Request) -> web.Response:
    """Serves a page of docs/."""
    file = Path(os.environ["DOCS"]) / f"{request.match_info['name']}.md"
    if not file.is_file():
        raise web.HTTPNotFound(text=f"There is no docs/{file.name}.\n")
    text = file.read_text(encoding="utf-8")
    body = markdown(text, extensions=["fenced_code", "tables", "toc"])
    return page("document.html", title=text.partition("\n")[0].lstrip("# "), body=body)


@routes.get(r"/docs/images/{name:[a-z0-9-]+\.png}")
async def image(request: web.Request) -> web.StreamResponse:
    """Serves a picture of docs/."""
    return _file(Path(os.environ["DOCS"]) / "images" / request.match_info["name"])


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
        raise web.HTTPServiceUnavailable(text="The page could not be built; see why with: make logs SERVICE=start\n")
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
        yield


def make_app() -> web.Application:
    """Builds the server."""
    app = web.Application()
    app[BUILD_LOCK] = asyncio.Semaphore(1)
    app.add_routes(routes)
    app.cleanup_ctx.append(_open_platform)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host=sys.argv[1], port=int(sys.argv[2]), access_log=None, print=None)
