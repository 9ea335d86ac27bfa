"""The command ``costmeter``."""
