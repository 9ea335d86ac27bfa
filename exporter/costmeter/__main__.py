"""``python -m costmeter`` is the command ``costmeter``."""

from costmeter.cli import main

main()
