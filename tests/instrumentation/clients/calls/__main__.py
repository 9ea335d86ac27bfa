"""Writes docs/sdks.md anew, where all calls that it lists have just been made and metered.

In the environment of development it makes all sections but litellm's, in litellm's that one.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from importlib.util import find_spec

import pytest

from tests.instrumentation.clients.calls.page import BESIDE, HERE, PAGE, page, section, sections
from tests.instrumentation.clients.calls.sdk import sdk_of

TRIED, TESTS = (
    (BESIDE, "tests/litellm/test_calls.py")
    if find_spec("litellm")
    else (HERE, "tests/instrumentation/clients/test_calls.py")
)


def main() -> int:
    """Make the calls, and write the page; return 0 where all is well."""
    if failed := pytest.main(["-q", "-k", "not the_page_is", TESTS]):
        return int(failed)
    known = sections(PAGE.read_text("utf-8")) if PAGE.exists() else {}
    made = {sdk.name: section(sdk, version) for sdk in map(sdk_of, TRIED)}
    beside = {name: text for name, text in known.items() if name not in made}
    parts = made | beside if TRIED is HERE else beside | made
    PAGE.write_text(page(parts.values()), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
