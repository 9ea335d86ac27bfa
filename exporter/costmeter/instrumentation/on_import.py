"""Does something right after a module was imported, without importing it."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING

from costmeter.instrumentation.boundary import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class OnImport(MetaPathFinder):
    """Waits for modules at the head of ``sys.meta_path``.

    The others find and load them as ever: a module keeps its spec and its kind of loader.

    Attributes:
        waiting: what is done with the modules that are waited for, by name.
    """

    def __init__(self) -> None:
        """Wait for nothing yet."""
        self.waiting: dict[str, Callable[[ModuleType], None]] = {}

    def wait(self, name: str, then: Callable[[ModuleType], None]) -> None:
        """Call ``then`` with a module once it is imported, by its full name; it must not raise."""
        self.waiting[name] = then
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def now_or_then(self, name: str, do: Callable[[ModuleType], None]) -> None:
        """Call ``do`` with a module, now or once it is imported; it may raise."""
        if (module := sys.modules.get(name)) is not None:
            attempt(do, module, default=None)
        else:
            self.wait(name, lambda module: attempt(do, module, default=None))

    def forget(self, name: str) -> None:
        """Wait for a module no longer."""
        self.waiting.pop(name, None)
        if not self.waiting and self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Let the other finders find a module, and follow its loading where it is waited for."""
        if name not in self.waiting:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                self._follow(name, spec)
                return spec
        return None

    def _follow(self, name: str, spec: ModuleSpec) -> None:
        loader = spec.loader
        if loader is None:
            return
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            load(module)
            if (then := self.waiting.get(name)) is not None:
                self.forget(name)
                then(module)

        loader.exec_module = exec_module  # type: ignore[method-assign]
