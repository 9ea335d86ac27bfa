from __future__ import annotations

from typing import TYPE_CHECKING

from dashboards.src.__main__ import DASHBOARDS, write
from tests.dashboards.boards import FOLDER

if TYPE_CHECKING:
    from pathlib import Path


def test_the_dashboards_made_again_are_those_in_the_repository(tmp_path: Path) -> None:
    write(tmp_path)

    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in FOLDER.glob("*.json")}
    assert made == kept, "python -m dashboards.src makes others: run it and look at the change"


def test_making_them_twice_makes_the_same() -> None:
    for make in DASHBOARDS.values():
        assert make() == make()
