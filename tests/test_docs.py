"""The documentation says what the code says."""

import re
from pathlib import Path

import pytest

from scripts.metrics_page import PAGE, page

ROOT = Path(__file__).parent.parent


def test_the_page_of_metrics_is_made_from_the_names() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


@pytest.mark.parametrize(
    "document",
    sorted(ROOT.glob("docs/*.md")) + sorted(ROOT.glob("*.md")),
    ids=lambda path: path.name,
)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    text = document.read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), f"{document.name}: {target}"
        if heading:
            headings = re.findall(r"^#+ +(.+)$", linked.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
            assert heading in anchors, f"{document.name}: {target}"
