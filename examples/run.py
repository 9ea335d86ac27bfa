"""Runs an example against the stand-in: ``python -m examples.run batch_job``.

The examples are written as for production: provider, key, journal and ledger come from the
environment. That is made here, of what is not set already; state is kept in ``.run/examples``. When
the example has ended, what the ledger holds is shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import uvicorn

import costmeter
from examples.standin.app import from_environment

RUN = Path(os.environ.get("COSTMETER_RUN", ".run")).resolve() / "examples"


def main(name: str, *arguments: str) -> int:
    """Run an example to its end; return its exit status."""
    os.environ.setdefault("STANDIN_ERRORS", "0")
    server = uvicorn.Server(
        uvicorn.Config(from_environment(), port=0, log_level="warning", lifespan="off")
    )
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        threading.Event().wait(0.01)
    provider = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    defaults = {
        "OPENAI_BASE_URL": f"{provider}/v1",
        "OPENAI_API_KEY": "not-needed-by-the-stand-in",
        "COSTMETER_PROVIDERS": f"{provider}=openai",  # priced as what it stands for
        "COSTMETER_JOURNAL": str(RUN / "journal"),
        "COSTMETER_LEDGER": str(RUN / "ledger.db"),
        "MLFLOW_TRACKING_URI": (RUN / "mlruns").as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }
    os.environ.update(defaults | os.environ)
    Path(os.environ["COSTMETER_JOURNAL"]).mkdir(parents=True, exist_ok=True)
    example = subprocess.Popen([sys.executable, "-m", f"examples.{name}", *arguments])
    try:
        status = example.wait()
    except KeyboardInterrupt:  # which the example has got, too
        status = example.wait()
    costmeter.start_exporter(0).stop()  # takes into the ledger what is in the journal
    subprocess.run(
        [sys.executable, "-m", "costmeter", "spend", "--by", "feature,model"], check=False
    )
    return status


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
