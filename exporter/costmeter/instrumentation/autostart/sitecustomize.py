"""Meters the process that starts with this directory on its path; see the package.

Any Python may come by here, an old one without costmeter too: whatever is wrong, it is told in one
line, and the process goes on.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from os.path import dirname, realpath


def _meter() -> None:
    try:
        from costmeter import instrument  # noqa: PLC0415 - may not be there

        instrument()
    except Exception as error:  # noqa: BLE001 - the application runs on without us
        print(f"costmeter: {sys.executable} is not metered: {error}", file=sys.stderr)  # noqa: T201


def _give_way() -> None:
    """Run the sitecustomize that Python would have found without us."""
    here = realpath(dirname(__file__))  # noqa: PTH120 - importing pathlib costs every start
    spec = PathFinder.find_spec(__name__, [entry for entry in sys.path if realpath(entry) != here])
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules[__name__] = module
    spec.loader.exec_module(module)


_meter()
_give_way()
