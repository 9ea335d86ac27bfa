"""Serves the example at ``EXAMPLE_PORT``."""

import os

import uvicorn

uvicorn.run(
    "examples.service.app:app",
    host=os.environ.get("HOST", "127.0.0.1"),
    port=int(os.environ.get("EXAMPLE_PORT", "8000")),
    log_level="warning",
)
