"""docker-compose.yml and the Dockerfiles, as far as they can be checked without a Docker engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILES = sorted(ROOT.glob("*/Dockerfile"))
ONE_SHOT = {"alertmanager-config"}

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
each_dockerfile = pytest.mark.parametrize(
    "path", DOCKERFILES, ids=[str(path.relative_to(ROOT)) for path in DOCKERFILES]
)


def mounts(service: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return source, target and mode of each volume."""
    found = []
    for volume in service.get("volumes", []):
        source, target, mode = (*volume.split(":"), "rw")[:3]
        found.append((source, target, mode))
    return found


def depends_on(name: str) -> set[str]:
    """Return all services that one depends on, directly or not."""
    direct = set(SERVICES[name].get("depends_on", {}))
    return direct.union(*(depends_on(other) for other in direct))


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return a Dockerfile's instructions in order, lines joined and comments left out."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line
    ]


def ignored_by_docker(path: str) -> bool:
    """Return whether .dockerignore keeps a path out of the build; the last match decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if pattern == "*" or path == pattern or path.startswith(f"{pattern}/"):
            ignored = not line.startswith("!")
    return ignored


def test_the_file_fits_the_compose_specification() -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    jsonschema.validate(COMPOSE, json.loads(schema.read_text(encoding="utf-8")))


def test_the_whole_stack_is_there() -> None:
    assert {
        "exporter", "service", "standin", "load",
        "prometheus", "alertmanager", "receiver", "grafana",
    } <= SERVICES.keys()  # fmt: skip


@each_service
def test_an_image_is_pinned_by_its_version(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", service["image"])


@each_service
def test_nothing_runs_as_root_or_can_become_root(service: dict[str, Any]) -> None:
    assert int(service["user"].split(":")[0]) > 0
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not {"privileged", "cap_add", "network_mode", "devices"} & service.keys()
    assert "docker.sock" not in str(service)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_health_check_unless_it_ends_by_itself(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    if name in ONE_SHOT:
        assert check == {"disable": True}
        assert SERVICES[name]["restart"].startswith("on-failure")
    else:
        assert check["test"][0] == "CMD"
        assert SERVICES[name]["restart"] == "unless-stopped"


@each_service
def test_a_port_is_on_loopback_and_can_be_set(service: dict[str, Any]) -> None:
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z]+_PORT:-(\d+)\}:\1", port)


def test_the_ports_are_those_of_make_up() -> None:
    ports = {
        name: re.findall(r"\{(\w+):-(\d+)\}", str(service.get("ports", [])))
        for name, service in SERVICES.items()
    }
    assert ports["exporter"] == [("COSTMETER_PORT", "9464")]
    assert ports["prometheus"] == [("PROMETHEUS_PORT", "9090")]
    assert ports["alertmanager"] == [("ALERTMANAGER_PORT", "9093")]
    assert ports["grafana"] == [("GRAFANA_PORT", "3000")]
    assert ports["service"] == [("EXAMPLE_PORT", "8000")]


@each_service
def test_a_bound_path_is_there_and_is_not_written_to(service: dict[str, Any]) -> None:
    for source, _, mode in mounts(service):
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert mode == "ro"
        else:
            assert source in COMPOSE["volumes"]


def test_every_volume_is_used() -> None:
    used = {source for service in SERVICES.values() for source, _, _ in mounts(service)}
    assert COMPOSE["volumes"].keys() <= used


def test_the_journal_is_shared_by_one_user_at_the_same_place() -> None:
    journal = "/var/lib/costmeter/journal"
    for name in ("exporter", "service"):
        service = SERVICES[name]
        assert ("journal", journal, "rw") in mounts(service)
        assert service["environment"]["COSTMETER_JOURNAL"] == journal
        assert service["user"] == SERVICES["exporter"]["user"]


def test_the_ledger_is_the_exporters_alone() -> None:
    holders = [name for name in SERVICES if any(m[0] == "ledger" for m in mounts(SERVICES[name]))]
    assert holders == ["exporter"]
    ledger = Path(SERVICES["exporter"]["environment"]["COSTMETER_LEDGER"])
    assert ("ledger", str(ledger.parent), "rw") in mounts(SERVICES["exporter"])


def test_a_volume_belongs_to_the_user_who_writes_to_it() -> None:
    """Docker gives a new volume the owner of the directory that it is mounted on first."""
    made: dict[str, dict[str, str]] = {}
    for path in DOCKERFILES:
        run = " ".join(text for word, text in instructions(path) if word == "RUN")
        owners = re.findall(r"install -d -o (\d+) -g (\d+) -m \d+ (\S+)", run)
        made[str(path.relative_to(ROOT))] = {where: f"{u}:{g}" for u, g, where in owners}
    for service in SERVICES.values():
        if "build" not in service:
            continue  # the images of others make their own directories for their own users
        for source, target, _ in mounts(service):
            if source in COMPOSE["volumes"]:
                assert made[service["build"]["dockerfile"]][target] == service["user"]


def test_what_is_metered_stops_before_the_exporter_and_it_before_prometheus() -> None:
    """Compose stops a service before those that it depends on."""
    assert "service" in depends_on("load")
    assert "exporter" in depends_on("service")
    assert "prometheus" in depends_on("exporter")
    assert "alertmanager" in depends_on("prometheus")
    assert "exporter" not in depends_on("prometheus")


@pytest.mark.parametrize("name", ["service", "standin", "load", "receiver"])
def test_an_example_does_not_keep_a_stop_waiting(name: str) -> None:
    """Linux ignores signals to a process 1 that has no handler for them."""
    assert SERVICES[name]["init"] is True


def test_the_exporter_has_time_to_drain() -> None:
    config = yaml.safe_load((ROOT / "costmeter.yml").read_text(encoding="utf-8"))
    seconds = int(SERVICES["exporter"]["stop_grace_period"].removesuffix("s"))
    assert seconds >= int(config.get("drain_timeout", "45s").removesuffix("s")) + 15


def test_the_exporters_environment_is_what_its_command_reads() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", "from costmeter.cli import main; main()", "serve", "--help"],
        env={"COLUMNS": "200", "PYTHONPATH": str(ROOT / "exporter"), "NO_COLOR": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    dockerfile = dict(instructions(ROOT / "exporter/Dockerfile"))["ENV"]
    names = (
        set(re.findall(r"COSTMETER_\w+", dockerfile)) | SERVICES["exporter"]["environment"].keys()
    )
    assert names
    for name in names:
        assert name in shown


@pytest.mark.parametrize("name", ["service", "standin", "load", "receiver"])
def test_an_examples_environment_is_what_it_reads(name: str) -> None:
    code = "".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "examples" / name).glob("*.py"))
    )
    assert SERVICES[name]["command"] == ["python", "-m", f"examples.{name}"]
    assert (ROOT / "examples" / name / "__main__.py").exists()
    for variable in SERVICES[name].get("environment", {}):
        if variable != "COSTMETER_JOURNAL" and not variable.startswith("OPENAI_"):
            assert f'"{variable}"' in code


def test_alertmanager_gets_every_variable_that_its_configuration_names() -> None:
    files = [ROOT / "alertmanager" / "alertmanager.yml", *ROOT.glob("alertmanager/templates/*")]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    named = set(re.findall(r"COSTMETER_\w+", text)) | {"COSTMETER_OWNERS"}
    given = set(SERVICES["alertmanager-config"]["environment"])
    assert {name.removesuffix("_FILE") for name in named} == given


def test_alertmanager_remembers_longer_than_a_month() -> None:
    assert "--data.retention=840h" in SERVICES["alertmanager"]["command"]


def test_prometheus_finds_the_others_by_their_names() -> None:
    targets = {}
    for path in (ROOT / "prometheus/targets/compose").glob("*.yml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8")):
            for target in group["targets"]:
                host, _, port = target.partition(":")
                targets[host] = port
    assert targets.keys() == {"exporter", "alertmanager"}
    for host, port in targets.items():
        assert SERVICES[host]["ports"][0].endswith(f":{port}")


def test_grafana_is_provisioned_with_what_the_dashboards_ask_for() -> None:
    provisioning = ROOT / "dashboards/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert (source["uid"], source["type"]) == ("prometheus", "prometheus")
    (provider,) = yaml.safe_load((provisioning / "dashboards/costmeter.yml").read_text())[
        "providers"
    ]
    environment = SERVICES["grafana"]["environment"]
    assert source["url"].removeprefix("$") in environment
    directory = environment[provider["options"]["path"].removeprefix("$")]
    assert ("./dashboards", directory, "ro") in mounts(SERVICES["grafana"])
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == directory
    assert (ROOT / "dashboards" / home.name).exists()


def test_our_images_have_the_projects_version() -> None:
    version = re.search(
        r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert version is not None
    ours = {service["image"].split(":")[1] for service in SERVICES.values() if "build" in service}
    assert ours == {version[1]}


@each_service
def test_a_build_has_its_dockerfile(service: dict[str, Any]) -> None:
    if "build" in service:
        assert ROOT / service["build"]["context"] / service["build"]["dockerfile"] in DOCKERFILES


@each_dockerfile
def test_a_dockerfile_passes_hadolint(path: Path) -> None:
    subprocess.run(["hadolint", path], check=True, env={"PATH": str(Path(sys.executable).parent)})


@each_dockerfile
def test_a_dockerfile_ends_as_a_user_who_is_not_root(path: Path) -> None:
    users = [text for word, text in instructions(path) if word == "USER"]
    assert users[-1] == "10001:10001"


@each_dockerfile
def test_a_dockerfile_builds_on_an_exact_version(path: Path) -> None:
    for word, text in instructions(path):
        if word == "FROM":
            assert re.match(r"python:3\.\d+\.\d+-slim-\w+( AS \w+)?$", text)


@each_dockerfile
def test_what_a_dockerfile_copies_is_there_and_not_ignored(path: Path) -> None:
    for word, text in instructions(path):
        if word == "COPY" and "--from=" not in text:
            for source in text.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert not ignored_by_docker(source), source


@pytest.mark.parametrize("path", [".git", ".venv", "tests", "costmeter.yml", ".run/x"])
def test_what_no_image_needs_is_kept_out(path: str) -> None:
    assert ignored_by_docker(path)
