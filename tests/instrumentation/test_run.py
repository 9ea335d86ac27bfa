"""``costmeter run``: commands, servers and workers that are metered from the outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from costmeter.cli import app
from costmeter.instrumentation.autostart import metered
from tests.instrumentation.conftest import Recorded

ROOT = Path(__file__).parents[2]
RUN = (sys.executable, "-m", "costmeter", "run")
CALL = """
import openai, os
with openai.OpenAI(api_key="k", base_url=os.environ["STANDIN"], max_retries=0) as client:
    client.chat.completions.create(model="gpt-4o-mini", messages=[])
"""


@pytest.fixture
def environment(standin: str, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user sets: the journal is there already."""
    monkeypatch.setenv("STANDIN", standin)
    monkeypatch.setenv("COSTMETER_PROVIDERS", f"{standin}=openai")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, *command], capture_output=True, text=True, timeout=60, check=False, **options
    )


@pytest.mark.usefixtures("environment")
def test_a_program_is_metered_without_a_line_in_it(recorded: Recorded):
    done = run("--", sys.executable, "-c", CALL)
    assert (done.returncode, done.stderr) == (0, "")
    (event,) = recorded()
    assert (event.provider, event.operation, event.attributes) == ("openai", "chat", {})
    assert event.usage["output_tokens"] > 0


@pytest.mark.usefixtures("environment")
def test_its_children_and_theirs_are_metered_too(recorded: Recorded):
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CALL!r}], check=True)"
    assert run("sh", "-c", f'{sys.executable} -c "$CODE"; exit 3', env={**os.environ, "CODE": child}).returncode == 3  # fmt: skip
    assert len(recorded()) == 1


def test_the_exit_status_is_the_command_s():
    assert run("--", sys.executable, "-c", "raise SystemExit(7)").returncode == 7


def test_the_arguments_are_the_command_s():
    code = "import sys; print(sys.argv[1:])"
    assert (
        run(sys.executable, "-c", code, "--", "--help", "-x").stdout == "['--', '--help', '-x']\n"
    )


def test_a_signal_reaches_the_command_itself():
    code = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    with subprocess.Popen([*RUN, sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM


def test_a_command_that_is_not_there_is_told_as_a_shell_does(tmp_path: Path):
    done = run("no-such-command")
    assert done.returncode == 127
    assert done.stderr == "costmeter run: no-such-command: No such file or directory\n"
    plain = tmp_path / "plain"
    plain.touch()
    assert run(str(plain)).returncode == 126


@pytest.mark.parametrize(
    ("arguments", "status"), [((), 2), (("--wrong", "x"), 2), (("--help",), 0)]
)
def test_it_says_how_it_is_used(arguments: tuple[str, ...], status: int):
    done = run(*arguments)
    assert done.returncode == status
    assert (done.stdout + done.stderr).startswith("usage: costmeter run ")


def test_the_console_command_has_it_too():
    assert "COMMAND..." in CliRunner().invoke(app, ["run", "--help"]).output
    done = subprocess.run(
        [sys.executable, "-c", "from costmeter.cli import main; main()",
         "run", sys.executable, "-c", "raise SystemExit(7)", "--help"],
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 7


def test_it_works_where_only_the_application_s_side_is_installed():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['typer', 'pydantic', 'starlette', 'yaml']));"
        f"sys.argv = ['costmeter', 'run', {sys.executable!r}, '-c', 'raise SystemExit(7)'];"
        "import runpy; runpy.run_module('costmeter', run_name='__main__')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7


def test_the_path_that_was_there_stays():
    (ours,) = metered({})["PYTHONPATH"].split(os.pathsep)
    assert (Path(ours) / "sitecustomize.py").is_file()
    assert metered({"PYTHONPATH": "a::b"})["PYTHONPATH"] == f"{ours}:a::b"
    assert metered(metered({"PYTHONPATH": "a", "HOME": "h"})) == {
        "PYTHONPATH": f"{ours}:a",
        "HOME": "h",
    }


def test_another_sitecustomize_runs_as_it_would_without_us(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text("mark = 'theirs'\n")
    code = "import sitecustomize; print(sitecustomize.mark, sitecustomize.__file__)"
    done = run(sys.executable, "-c", code, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.stdout == f"theirs {tmp_path / 'sitecustomize.py'}\n"


def test_a_python_without_costmeter_runs_on_and_says_so():
    # Without site-packages: as an interpreter of another environment.
    code = "import sys; sys.path[:] = [p for p in sys.path if 'autostart' in p or 'lib/python' in p and 'site-packages' not in p]; import sitecustomize"
    path = metered({})["PYTHONPATH"]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert (
        done.stderr == f"costmeter: {sys.executable} is not metered: No module named 'costmeter'\n"
    )


@pytest.mark.usefixtures("environment")
def test_it_can_be_switched_off(recorded: Recorded):
    assert (
        run(sys.executable, "-c", CALL, env={**os.environ, "COSTMETER_DISABLED": "1"}).returncode
        == 0
    )
    assert recorded() == []


@contextmanager
def gunicorn(log: Path) -> Iterator[str]:
    """Serve the application with three workers; yield its URL."""
    command = [
        *RUN, sys.executable, "-m", "gunicorn", "--workers", "3", "--threads", "2",
        "--bind", "127.0.0.1:0", "--no-control-socket", "tests.instrumentation.served.web:app",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if "Listening at: " in line:
                url = line.split("Listening at: ")[1].split()[0]
                break
        else:
            raise AssertionError("gunicorn does not listen")
        drain = threading.Thread(target=server.stderr.read)
        drain.start()
        try:
            yield url
        finally:
            server.terminate()
            server.wait(30)
            drain.join()


@pytest.mark.usefixtures("environment")
def test_every_call_of_gunicorn_s_workers_is_kept_though_they_are_killed(
    recorded: Recorded, tmp_path: Path
):
    with (
        gunicorn(tmp_path / "log") as url,
        ThreadPoolExecutor(4) as pool,
        httpx2.Client() as client,
    ):

        def get(path: str) -> str | None:
            try:
                return client.get(url + path, headers={"connection": "close"}, timeout=30).text
            except httpx2.TransportError:
                return None

        workers: set[str | None] = set()
        for turn in range(4):
            workers |= set(pool.map(get, [f"/users/{turn}{n}" for n in range(6)]))
            assert get(f"/die/{turn}") is None
        workers.discard(None)
    endpoints = [event.attributes.get("endpoint") for event in recorded()]
    assert len(workers) > 1
    assert sorted(set(map(str, endpoints))) == ["/die/<int:user>", "/users/<int:user>"]
    assert endpoints.count("/die/<int:user>") == 4
    assert endpoints.count("/users/<int:user>") == 2 * 4 * 6
