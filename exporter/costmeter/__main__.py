"""``python -m costmeter`` is the command ``costmeter``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; ``run`` needs only what an application has installed."""
    if sys.argv[1:2] == ["run"]:
        from costmeter.instrumentation.autostart import main as run  # noqa: PLC0415 - see above

        run(sys.argv[2:])
    from costmeter.cli import main as command_line  # noqa: PLC0415 - needs the exporter extra

    command_line()


if __name__ == "__main__":
    main()
