"""One line for each taxi file that a program fetches, by whatever it fetches it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from orionbox.student_shell import fetched
from orionbox.trips import kinds
from tests.unit.fake_api import FakeApi

FILE = "yellow/yellow_tripdata_2021-01.csv.gz"
LINE = "yellow_tripdata_2021-01.csv.gz: generated data, 1,369,765 rows; the real file is not on this machine\n"
INSTALL = "import orionbox.student_shell.start"


def answer(request: BaseHTTPRequestHandler) -> None:
    """What the platform's stand-in answers about a file."""
    request.send_response(200)
    if request.path.endswith(".gz"):
        request.send_header(kinds.HEADER, kinds.header_value("generated", 1_369_765, request.path[1:]))
    request.send_header("Content-Length", "2")
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(b"a\n")


@pytest.fixture
def release() -> Iterator[FakeApi]:
    with FakeApi(route=lambda path, body: answer).serving() as api:
        yield api


def said(program: str, api: FakeApi) -> str:
    """What a Python with the hook prints to standard error."""
    text = f"{INSTALL}\nurl = '{api.url}/{FILE}'\n{program}"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "program",
    [
        "import urllib.request; urllib.request.urlopen(url).read()",
        "import requests; requests.get(url)",
        "import pandas; pandas.read_csv(url, compression=None)",
        "import http.client, urllib.parse; parts = urllib.parse.urlsplit(url)\n"
        "connection = http.client.HTTPConnection(parts.netloc); connection.request('GET', parts.path)\n"
        "connection.getresponse().read()",
        "import os; os.system('true ' + url)",
        "import os; os.popen(f'true {url}').read()",
        "import subprocess; subprocess.run(['true', url], check=True)",
        "import subprocess; subprocess.run(f'true -O x {url} && true', shell=True, check=True)",
        "import aiohttp, asyncio\nasync def main():\n"
        "    async with aiohttp.ClientSession() as session, session.get(url) as answer: await answer.read()\n"
        "asyncio.run(main())",
        "import httpx; httpx.get(url)",
    ],
)
def test_every_way_to_fetch_a_file_says_it_once(release: FakeApi, program: str) -> None:
    indented = program.replace("\n", "\n    ")
    assert said(f"for time in range(2):\n    {indented}", release) == LINE


def test_a_program_that_this_one_starts_does_not_say_it_again(release: FakeApi) -> None:
    inner = f"{INSTALL}, urllib.request; urllib.request.urlopen('{release.url}/{FILE}')"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    assert said(f"import urllib.request; urllib.request.urlopen(url)\n{program}", release) == LINE


def test_other_answers_and_broken_ones_say_nothing(release: FakeApi) -> None:
    assert said("import urllib.request; urllib.request.urlopen(url.replace('.gz', '')).read()", release) == ""
    assert said("import os; os.system('true http://127.0.0.1:1/green_tripdata_2021-01.csv.gz')", release) == ""


def test_the_addresses_in_a_command_are_found_whatever_is_around_them() -> None:
    url = "https://github.com/DataTalksClub/nyc-tlc-data/releases/download/green/green_tripdata_2019-01.csv.gz"
    parquet = "https://d37ci6vzurychx.cloudfront.net/trip-data/yellow_tripdata_2021-01.parquet"
    command = f"wget '{url}' -O x.gz && curl -sL \"{parquet}\"|head; (wget {url})"
    assert fetched.TAXI_URL.findall(command) == [url, parquet, url]


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl on this machine")
def test_curl_in_the_shell_says_it_too_and_prints_what_it_fetched(release: FakeApi) -> None:
    command = [sys.executable, "-m", "orionbox.student_shell", "run", "curl", "-s", f"{release.url}/{FILE}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\n", LINE)


def test_in_a_run_the_line_goes_into_the_run_s_log(release: FakeApi, tmp_path: Path) -> None:
    program = """
import sys, types
logged = []
loggers = types.ModuleType("prefect.logging.loggers")
loggers.get_run_logger = lambda: types.SimpleNamespace(warning=logged.append, info=logged.append)
sys.modules["prefect.logging.loggers"] = loggers
import urllib.request
urllib.request.urlopen(url)
assert logged == [LINE], logged
"""
    assert said(f"LINE = {LINE.strip()!r}\n{program}", release) == ""
