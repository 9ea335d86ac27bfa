"""``costmeter check``: is the configuration right?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from costmeter.cli.options import ConfigFile, WebConfigFile
from costmeter.errors import ConfigError
from costmeter.sidecar import config as configuration
from costmeter.sidecar.web import WebConfig

_T = TypeVar("_T")


def check(config: ConfigFile = None, web_config_file: WebConfigFile = None) -> None:
    """Check the configuration; tell every problem at once, each with its path.

    With both files, also whether the names in 'access' are users of the one or tokens of the other.
    """
    if config is None and web_config_file is None:
        raise typer.BadParameter("name a file to check", param_hint="--config")
    problems: list[str] = []
    settings = _read(configuration.load, config, problems)
    web = _read(WebConfig, web_config_file, problems)
    if settings is not None and web is not None:
        problems += [f"{config}: {each}" for each in settings.access.unknown(web.users)]
    elif settings is not None and web_config_file is None:
        for each in settings.access.unknown(()):  # perhaps users, of a file that is not here
            typer.echo(f"{config}: {each}; --web.config.file names the users", err=True)
    if problems:
        typer.echo("\n".join(problems), err=True)
        raise typer.Exit(2)


def _read(read: Callable[[Path], _T], path: Path | None, problems: list[str]) -> _T | None:
    """Return what a file holds; None where none is named or it has problems, which are added."""
    if path is None:
        return None
    try:
        found = read(path)
    except ConfigError as error:
        problems.append(str(error))
        return None
    typer.echo(f"{path}: ok")
    return found
