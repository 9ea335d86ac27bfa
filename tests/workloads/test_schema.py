from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from costmeter.workloads.schema import ResourceConfig

RESOURCES = TypeAdapter(list[ResourceConfig])


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        RESOURCES.validate_python(yaml.safe_load(text))
    return [
        (".".join(str(part) for part in error["loc"]), error["msg"])
        for error in caught.value.errors()
    ]


def test_the_sketch_of_the_architecture_is_understood() -> None:
    text = """
    - {name: api, process: {pid_file: /run/api.pid, tree: true}, usd_per_core_hour: 0.031,
       usd_per_gib_hour: 0.0042, attributes: {team: search}}
    """
    (resource,) = RESOURCES.validate_python(yaml.safe_load(text))
    assert resource.usd_per_core_hour == Decimal("0.031")
    assert resource.usd_per_gib_hour == Decimal("0.0042")
    assert resource.attributes == {"team": "search"}
    assert (resource.provider, resource.charge) == ("host", "usage")


@pytest.mark.parametrize(
    "thing", [{"process": {"pid": 1}}, {"cgroup": "/system.slice"}, {"container": True}]
)
def test_each_kind_of_thing_can_be_watched(thing: dict[str, Any]) -> None:
    assert ResourceConfig(name="a", **thing).name == "a"


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("[{name: a}]", "0", "needs exactly one of process, cgroup and container"),
        (
            "[{name: a, container: true, cgroup: /b}]",
            "0",
            "needs exactly one of process, cgroup and container",
        ),
        ("[{name: a, process: {}}]", "0.process", "needs exactly one of pid, pid_file and name"),
        (
            "[{name: a, process: {pid: 1, pid_file: /b}}]",
            "0.process",
            "needs exactly one of pid, pid_file and name",
        ),
        ("[{name: a, process: {pid: 0}}]", "0.process.pid", "greater than 0"),
        ("[{name: a, cgroup: b}]", "0.cgroup", "^/"),
        ("[{name: a, cgroup: /b/../c}]", "0", "cgroup: '/b/../c' leaves the cgroup mount"),
        ("[{name: a, container: false}]", "0.container", "Input should be True"),
        ("[{name: '', container: true}]", "0.name", "at least 1 character"),
        (
            "[{name: a, container: true, usd_per_core_hour: -1}]",
            "0.usd_per_core_hour",
            "greater than or equal to 0",
        ),
        (
            "[{name: a, container: true, usd_per_gib_hour: .nan}]",
            "0.usd_per_gib_hour",
            "finite number",
        ),
        (
            "[{name: a, container: true, price: 1}]",
            "0.price",
            "Extra inputs are not permitted",
        ),
        (
            "[{name: a, container: true, attributes: {resource: b}}]",
            "0",
            "attributes: 'resource' is taken",
        ),
        ("[{name: a, container: true, cores: 0}]", "0.cores", "greater than 0"),
        (
            "[{name: a, container: true, charge: allocation, usd_per_core_hour: 1}]",
            "0",
            "charge: allocation with usd_per_core_hour needs cores",
        ),
    ],
)
def test_a_wrong_resource_is_told_with_its_path(text: str, where: str, message: str) -> None:
    ((path, told),) = problems(text)
    assert path == where
    assert message in told


def test_all_problems_are_told_at_once() -> None:
    told = problems("[{name: a, process: {}}, {name: b, cgroup: c, usd_per_core_hour: x}]")
    assert [path for path, _ in told] == ["0.process", "1.cgroup", "1.usd_per_core_hour"]
