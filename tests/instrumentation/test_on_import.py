from __future__ import annotations

import importlib
import importlib.resources
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from costmeter.instrumentation.on_import import OnImport


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package that can be imported, and was not yet."""
    package = tmp_path / "made_up_sdk"
    package.mkdir()
    (package / "__init__.py").write_text("from made_up_sdk import inner\nready = True\n")
    (package / "inner.py").write_text("")
    (package / "data.txt").write_text("data")
    monkeypatch.syspath_prepend(tmp_path)
    yield "made_up_sdk"
    for name in [name for name in sys.modules if name.startswith("made_up_sdk")]:
        del sys.modules[name]


def test_something_is_done_once_a_module_was_imported(sdk: str) -> None:
    on_import, imported = OnImport(), list[ModuleType]()
    on_import.wait(sdk, imported.append)
    assert sdk not in sys.modules
    module = importlib.import_module(sdk)
    assert imported == [module]
    assert module.ready
    assert on_import not in sys.meta_path
    importlib.reload(module)
    assert imported == [module]


def test_the_module_is_loaded_as_without_us(sdk: str) -> None:
    on_import = OnImport()
    plain = importlib.import_module(sdk)
    spec, loader = plain.__spec__, plain.__loader__
    del sys.modules[sdk]
    on_import.wait(sdk, lambda module: None)
    watched = importlib.import_module(sdk)
    assert type(watched.__loader__) is type(loader)
    assert spec is not None
    assert watched.__spec__ is not None
    assert watched.__spec__.origin == spec.origin
    assert "exec_module" not in vars(watched.__loader__)
    assert (importlib.resources.files(sdk) / "data.txt").read_text() == "data"


def test_a_module_of_a_namespace_package_is_waited_for_by_its_full_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made_up_vendor/sdk").mkdir(parents=True)
    (tmp_path / "made_up_vendor/sdk/__init__.py").write_text("from made_up_vendor.sdk import inner")
    (tmp_path / "made_up_vendor/sdk/inner.py").write_text("ready = True")
    monkeypatch.syspath_prepend(tmp_path)
    on_import, imported = OnImport(), list[ModuleType]()
    on_import.wait("made_up_vendor.sdk", imported.append)
    importlib.import_module("made_up_vendor")
    assert imported == []
    module = importlib.import_module("made_up_vendor.sdk")
    assert imported == [module]
    assert module.inner.ready
    for name in [name for name in sys.modules if name.startswith("made_up_vendor")]:
        del sys.modules[name]


def test_nothing_is_done_for_what_is_waited_for_no_longer(sdk: str) -> None:
    on_import, imported = OnImport(), list[ModuleType]()
    on_import.wait(sdk, imported.append)
    on_import.forget(sdk)
    assert on_import not in sys.meta_path
    importlib.import_module(sdk)
    assert imported == []


def test_a_module_that_cannot_be_imported_fails_as_without_us(sdk: str, tmp_path: Path) -> None:
    on_import, imported = OnImport(), list[ModuleType]()
    on_import.wait("no_such_sdk", imported.append)
    on_import.wait(sdk, imported.append)
    (tmp_path / sdk / "__init__.py").write_text("raise ValueError('broken')")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_sdk")
    with pytest.raises(ValueError, match="broken"):
        importlib.import_module(sdk)
    assert imported == []
    (tmp_path / sdk / "__init__.py").write_text("ready = 'at last'")
    importlib.invalidate_caches()
    importlib.import_module(sdk)
    assert len(imported) == 1
    on_import.forget("no_such_sdk")
