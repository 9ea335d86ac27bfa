"""A Prometheus over a known past, for all tests of this folder."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.dashboards.exposed import Target as Sidecar
from tests.dashboards.known import Stack, lived, present
from tests.dashboards.server import prometheus
from tests.rules.stack import installed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", params=installed("prometheus"))
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("prometheus")
    end = int(time.time()) // 300 * 300
    meter = lived(folder / "tsdb", end)
    present(meter)
    rules = []
    for path in Path("prometheus/rules").glob("*.yml"):
        rules.append(folder / path.name)
        rules[-1].write_text(re.sub(r"interval: \d+[mh]", "interval: 1s", path.read_text()))
    sidecar = Sidecar(meter.page)
    with prometheus(
        folder, sidecar.port, rules=rules, interval="1s", program=request.param
    ) as server:
        yield Stack(server, end, meter, sidecar)
    sidecar.close()
