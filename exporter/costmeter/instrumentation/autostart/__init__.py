"""``costmeter run``: starts a command whose Python processes meter themselves.

This directory is put at the head of ``PYTHONPATH``: every Python that starts below it finds its
``sitecustomize`` there, which calls ``costmeter.instrument()`` before the application's first line.
The command takes the place of this process, so that its process id, signals and exit status are its
own. Nothing here needs more than the application's side of costmeter is installed with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

USAGE: Final = """\
usage: costmeter run [--] COMMAND [ARGUMENT]...

Run a command, such as python, gunicorn or celery, with the SDKs metered in all its Python
processes. COSTMETER_* in the environment says how: see docs/instrumentation.md.
"""


def run(command: Sequence[str]) -> NoReturn:
    """Become a command, metered. Where there is none, exit as a shell does: 127, or 126."""
    try:
        os.execvpe(command[0], list(command), metered(os.environ))  # noqa: S606 - no shell
    except OSError as error:
        print(f"costmeter run: {command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201
        raise SystemExit(127 if isinstance(error, FileNotFoundError) else 126) from None


def metered(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose Python processes meter themselves."""
    here = str(Path(__file__).parent)
    found = environ.get("PYTHONPATH", "")
    # An empty entry is the working directory: what was there stays there.
    others = [entry for entry in found.split(os.pathsep) if entry != here] if found else []
    return {**environ, "PYTHONPATH": os.pathsep.join([here, *others])}


def main(arguments: Sequence[str]) -> NoReturn:
    """Run the command line after ``costmeter run``."""
    command = list(arguments)
    if command[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")  # noqa: T201 - the command line's own output
        raise SystemExit(0)
    if command[:1] == ["--"]:
        command = command[1:]
    if not command or command[0].startswith("-"):
        print(USAGE, end="", file=sys.stderr)  # noqa: T201 - the command line's own output
        raise SystemExit(2)
    run(command)
