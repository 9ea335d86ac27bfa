"""Makes docs/sdks.md of the calls that have passed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.instrumentation.clients.calls.sdk import Call, Client, Sdk, Way

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs/sdks.md"
HERE = (
    "openai",
    "anthropic",
    "google_genai",
    "botocore",
    "mistralai",
    "cohere",
    "groq",
    "ollama",
    "langchain:OPENAI",
    "langchain:ANTHROPIC",
)
"""What is tried in the environment of development, in the order of the page."""
BESIDE = ("litellm",)
"""What is tried in an environment of its own, by ``tests/litellm``."""

HEAD = """\
# Which calls are metered

Made by the tests, with `make docs`: every call in these tables was made by the SDK of the version that
is named, in each of the ways that are named, against a stand-in that answers in the provider's own
format. It became the events that it is to become, with the model, the usage and the provider that the
test says: one, but for a batch, where each answer is one. *sync* and *async* tell by which client;
where neither stands, the SDK has no such way, or it was not tried.

Calls that are **not metered** were made too, but where it says otherwise, and became no event: record
what they cost with [`record_llm`](instrumentation.md#what-an-application-knows-itself). Calls in no list
were not tried. How metering works, and other versions:
[In the application](instrumentation.md#costmeterinstrument).

"""


def constraints(name: str) -> dict[str, str]:
    """Return the versions that a file of constraints pins, by package."""
    return dict(re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", (ROOT / name).read_text("utf-8")))


def section(sdk: Sdk, version: Callable[[str], str]) -> str:
    """Return what the page says of an SDK."""
    packages = " and ".join(f"{name} {version(name)}" for name in (sdk.name, *sdk.beside))
    names = ", ".join(f'"{name}"' for name in sdk.instrumented)
    parts = [f"## {sdk.name}\n\nTried with {packages}: `instrument({names})`.\n"]
    parts += [_of_client(client) for client in sdk.clients]
    return "\n".join(parts)


def sections(page: str) -> dict[str, str]:
    """Return the sections of a page, by their headings."""
    _, *found = page.split("\n## ")
    return {text.partition("\n")[0]: f"## {text.rstrip()}\n" for text in found}


def page(found: Iterable[str]) -> str:
    """Return the page with some sections."""
    return HEAD + "\n".join(found)


def _of_client(client: Client) -> str:
    ways = [way for way in Way if any(way in call.ways for call in client.metered)]
    heads = ["call", *(way.value for way in ways), "operation", "counted by"]
    lines = [f"{client.name}: provider `{client.provider}`.\n", _row(heads)]
    lines.append("|" + "---|" * len(heads))
    opened = {"sync": client.opened, "async": client.opened_async}
    kinds = ", ".join(kind for kind, found in opened.items() if found)
    for call in client.metered:
        made = [kinds if way in call.ways else "" for way in ways]
        lines.append(_row([f"`{call.name}`", *made, *_told(call)]))
    for reason, calls in client.unmetered.items():
        names = ", ".join(f"`{call.name}`" for call in calls)
        lines.append(f"\n{reason}: {names}.")
    return "\n".join(lines) + "\n"


def _told(call: Call) -> Sequence[str]:
    """Return what the events of a call tell: operations, and what is counted."""
    operations = sorted({event.operation for event in call.seen})
    keys = {key for event in call.seen for key in event.usage}
    units = sorted({_unit(key) for key in keys}) or ["nothing is told"]
    return ", ".join(f"`{name}`" for name in operations), ", ".join(units)


def _unit(key: str) -> str:
    """Return what a key of usage counts: ``input_audio_seconds`` are seconds."""
    return key.rpartition("_")[2]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
