"""``costmeter estimate``: what a request would cost."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from costmeter.cli.options import ConfigFile, Format
from costmeter.cli.pricing import At, Refresh, instant_ns, open_book
from costmeter.pricing.estimate import estimate as estimate_request

Tokens = Annotated[int, typer.Option(min=0)]


def estimate(
    *,
    provider: Annotated[str, typer.Option(help="The provider, such as openai.")],
    model: Annotated[str, typer.Option(help="The model, or an alias of it.")],
    input_tokens: Annotated[
        int, typer.Option(min=0, help="All input tokens, cached ones included.")
    ] = 0,
    output_tokens: Annotated[
        int, typer.Option(min=0, help="All output tokens, reasoning included.")
    ] = 0,
    cache_read_tokens: Tokens = 0,
    cache_write_tokens: Tokens = 0,
    cache_write_1h_tokens: Tokens = 0,
    input_audio_tokens: Tokens = 0,
    input_image_tokens: Tokens = 0,
    reasoning_tokens: Tokens = 0,
    output_audio_tokens: Tokens = 0,
    output_image_tokens: Tokens = 0,
    images: Tokens = 0,
    web_searches: Tokens = 0,
    input_audio_seconds: Tokens = 0,
    input_characters: Tokens = 0,
    search_units: Tokens = 0,
    output_video_seconds: Tokens = 0,
    file_searches: Tokens = 0,
    container_sessions: Tokens = 0,
    training_tokens: Tokens = 0,
    input_pages: Tokens = 0,
    annotated_pages: Tokens = 0,
    classifications: Tokens = 0,
    cached_token_seconds: Tokens = 0,
    text_units: Tokens = 0,
    service_tier: Annotated[str, typer.Option(help="Such as batch, flex or priority.")] = "",
    at: At = None,
    config: ConfigFile = None,
    output: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
    refresh: Refresh = False,
) -> None:
    """Tell what a request would cost, by component, in US dollars."""
    usage = {
        "input_tokens": input_tokens,
        "cache_read_tokens": cache_read_tokens,
        "cache_write_tokens": cache_write_tokens,
        "cache_write_1h_tokens": cache_write_1h_tokens,
        "input_audio_tokens": input_audio_tokens,
        "input_image_tokens": input_image_tokens,
        "output_tokens": output_tokens,
        "reasoning_tokens": reasoning_tokens,
        "output_audio_tokens": output_audio_tokens,
        "output_image_tokens": output_image_tokens,
        "images": images,
        "web_searches": web_searches,
        "input_audio_seconds": input_audio_seconds,
        "input_characters": input_characters,
        "search_units": search_units,
        "output_video_seconds": output_video_seconds,
        "file_searches": file_searches,
        "container_sessions": container_sessions,
        "training_tokens": training_tokens,
        "input_pages": input_pages,
        "annotated_pages": annotated_pages,
        "classifications": classifications,
        "cached_token_seconds": cached_token_seconds,
        "text_units": text_units,
    }
    found = estimate_request(
        open_book(config, refresh=refresh),
        provider,
        model,
        {key: amount for key, amount in usage.items() if amount},
        service_tier=service_tier,
        at_ns=instant_ns(at),
    )
    rows = [*found.usd.items(), ("total", found.total_usd)]
    if output is Format.JSON:
        document = {name: float(usd) for name, usd in rows}
        typer.echo(json.dumps({"usd": document, "price": found.price}, indent=2))
    elif output is Format.CSV:
        typer.echo("component,usd")
        typer.echo("\n".join(f"{name},{usd:f}" for name, usd in rows))
    else:
        table = Table("component", "USD", box=SIMPLE)
        table.columns[1].justify = "right"
        for name, usd in rows:
            table.add_row(name, f"{usd:f}")
        console = Console()
        console.print(table)
        console.print(f"by {found.price}", highlight=False)
