"""Serves the receiver at ``RECEIVER_PORT``."""

import os

import uvicorn

from examples.receiver.app import create_app

uvicorn.run(
    create_app(),
    host=os.environ.get("HOST", "127.0.0.1"),
    port=int(os.environ.get("RECEIVER_PORT", "8002")),
    log_level="warning",
)
