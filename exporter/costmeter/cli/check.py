"""``costmeter check``: is the configuration right?"""

from __future__ import annotations

import typer

from costmeter.cli.options import ConfigFile, WebConfigFile
from costmeter.errors import ConfigError
from costmeter.sidecar import config as configuration
from costmeter.sidecar.web import WebConfig


def check(config: ConfigFile = None, web_config_file: WebConfigFile = None) -> None:
    """Check the configuration; tell every problem at once, each with its path."""
    found: list[str] = []
    for source, read in (
        (config, configuration.load),
        (web_config_file, WebConfig.load),
    ):
        if source is None:
            continue
        try:
            read(source)
        except ConfigError as error:
            found.append(str(error))
        else:
            typer.echo(f"{source}: ok")
    if found:
        typer.echo("\n".join(found), err=True)
        raise typer.Exit(2)
    if config is None and web_config_file is None:
        raise typer.BadParameter("name a file to check", param_hint="--config")
