"""``costmeter run``: a command with its SDKs metered."""

from __future__ import annotations

from typing import Annotated

import typer

from costmeter.instrumentation import autostart


def run(
    command: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND...", help="Such as python app.py, gunicorn app:app or celery worker."
        ),
    ],
) -> None:
    """Run a command with the SDKs metered in all its Python processes, its code untouched."""
    autostart.run(command)
