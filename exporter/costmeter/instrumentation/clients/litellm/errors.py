"""Lets a refusal of the gate pass litellm as it is.

litellm makes an error of its own of every one that comes from below, often more than once, and
would try a refused call again. The last to do so is one function, which its modules have imported
by its name.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from costmeter.errors import BudgetExceededError
from costmeter.instrumentation import boundary
from costmeter.instrumentation.on_import import OnImport

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_MODULE: Final = "litellm.litellm_core_utils.exception_mapping_utils"
_NAME: Final = "exception_type"
_LITELLM: Final = "litellm"


class Refusals:
    """The replaced function, in every module of litellm that has it; off again it is the same."""

    def __init__(self) -> None:
        """Replace nothing yet."""
        self._on_import = OnImport()
        self._original: Callable[..., Any] | None = None
        self._replacement: Callable[..., Any] | None = None

    def put(self) -> None:
        """Replace it, now or once it is imported."""
        self._on_import.now_or_then(_MODULE, self._put)

    def take(self) -> None:
        """Give every module its function back."""
        self._on_import.forget(_MODULE)
        if self._original is not None:
            _replace(self._replacement, self._original)

    def _put(self, module: ModuleType) -> None:
        self._original = vars(module)[_NAME]
        self._replacement = _passing(vars(module)[_NAME])
        _replace(self._original, self._replacement)


def _replace(one: object, other: object) -> None:
    for name, module in tuple(sys.modules.items()):
        if name.partition(".")[0] == _LITELLM and vars(module).get(_NAME) is one:
            setattr(module, _NAME, other)


def _passing(original: Callable[..., Any]) -> Callable[..., Any]:
    told: WeakSet[BudgetExceededError] = WeakSet()

    @functools.wraps(original)
    def exception_type(model: Any, original_exception: Any, *args: Any, **named: Any) -> Any:
        refusal = boundary.attempt(_refusal, original_exception, told, default=None)
        if refusal is None:
            return original(model, original_exception, *args, **named)
        told.add(refusal)
        return refusal  # to be raised, as litellm does with errors that need no other form

    return exception_type


def _refusal(
    error: BaseException | None, told: WeakSet[BudgetExceededError]
) -> BudgetExceededError | None:
    """Return the refusal that an error is, or was raised in the place of.

    Not one that the application is just handling: that was told before, or did not pass litellm.
    """
    if isinstance(error, BudgetExceededError):
        return error
    while error is not None:
        error = error.__cause__ or error.__context__
        if isinstance(error, BudgetExceededError) and error not in told and _passed(error):
            return error
    return None


def _passed(error: BaseException) -> bool:
    """Return whether an error has come through litellm."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == _LITELLM:
            return True
        trace = trace.tb_next
    return False
