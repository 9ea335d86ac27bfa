"""``costmeter token``: a token for the API."""

from __future__ import annotations

import typer

from costmeter.sidecar.rights import hash_of, new_token


def token() -> None:
    """Make a bearer token, and the hash of it that 'access.tokens' of costmeter.yml takes.

    The token stands on standard output, the hash on standard error: '> file' keeps the token from
    the screen. It is kept nowhere else.
    """
    made = new_token()
    typer.echo(made)
    typer.echo(hash_of(made.encode()), err=True)
