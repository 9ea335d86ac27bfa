"""All benchmarks, one after the other: ``make bench``. Name some to run only these."""

import importlib
import sys

NAMES = ("imports", "recording", "metering", "peers", "ingest", "scrape", "queries", "resources",
         "forecast", "burn", "gate")  # fmt: skip

for name in sys.argv[1:] or NAMES:
    importlib.import_module(f"benchmarks.{name}").main()
