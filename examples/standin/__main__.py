"""Serves the stand-in on loopback, at ``STANDIN_PORT``."""

import os

import uvicorn

from examples.standin.app import from_environment

uvicorn.run(
    from_environment(),
    host=os.environ.get("HOST", "127.0.0.1"),
    port=int(os.environ.get("STANDIN_PORT", "8001")),
    log_level="warning",
)
