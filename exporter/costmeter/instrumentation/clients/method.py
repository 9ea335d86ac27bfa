"""A method of an SDK's class, or a function of a module, that is replaced while it is metered.

For SDKs whose every call passes a few methods; those that Stainless generates share one of their
own, see ``stainless.py``.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class Method:
    """One replaced method; off again it is the very method it was.

    Attributes:
        original: the method as the SDK has it.
        on: whether calls are metered. Where another library has wrapped the replacement since, it
            stays in place when metering stops, and passes calls on.
    """

    def __init__(
        self,
        owner: type | ModuleType,
        name: str,
        *arguments: object,
        replacement: Callable[[Method], Callable[..., Any]],
    ) -> None:
        """Find the class that defines a method, and make the replacement.

        Args:
            owner: the class that has the method, or inherits it; or a module with a function.
            name: the method's name.
            arguments: what the replacement relies on being called with, after ``self``; none
                where it passes on whatever comes.
            replacement: makes the replacement; it calls ``original`` and heeds ``on``.

        Raises:
            LookupError: there is none, or it takes other arguments than those known here.
        """
        kinds = owner.__mro__ if isinstance(owner, type) else (owner,)
        found = next((kind for kind in kinds if name in vars(kind)), None)
        if found is None or not inspect.isfunction(original := vars(found)[name]):
            raise LookupError(f"{owner.__name__}.{name} is no method")
        try:
            inspect.signature(original).bind_partial(None, *arguments)
        except TypeError as error:
            raise LookupError(f"{owner.__name__}.{name}: {error}") from error
        self.original: Callable[..., Any] = original
        self.on = True
        self._owner: type | ModuleType = found
        self._name = name
        self._replacement = replacement(self)

    def put(self) -> None:
        """Start metering."""
        setattr(self._owner, self._name, self._replacement)

    def take(self) -> None:
        """Stop metering, and leave the SDK as it was."""
        self.on = False
        if vars(self._owner).get(self._name) is self._replacement:
            setattr(self._owner, self._name, self.original)
