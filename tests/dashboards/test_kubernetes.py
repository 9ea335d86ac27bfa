"""The dashboards as ConfigMaps, as kustomize makes them of ``dashboards/kustomization.yaml``."""

from __future__ import annotations

import re

import yaml

from tests.dashboards.boards import FOLDER

MADE = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
LARGEST = 1 << 20
"""Bytes of a ConfigMap at most. Source: Kubernetes, "ConfigMaps", "Motivation"."""


def test_each_dashboard_is_a_config_map_of_its_own() -> None:
    files = [one["files"] for one in MADE["configMapGenerator"]]

    assert files == [[path.name] for path in sorted(FOLDER.glob("*.json"))]


def test_config_maps_have_names_and_sizes_that_kubernetes_takes() -> None:
    for one in MADE["configMapGenerator"]:
        assert re.fullmatch(r"costmeter-dashboard-[a-z]+", one["name"])
        assert sum((FOLDER / name).stat().st_size for name in one["files"]) < LARGEST


def test_grafanas_sidecar_finds_them_by_their_label() -> None:
    assert MADE["kind"] == "Kustomization"
    assert MADE["generatorOptions"]["labels"] == {"grafana_dashboard": "1"}
    assert MADE["generatorOptions"]["disableNameSuffixHash"], "or an old one would stay beside"
