"""Serves the example at ``EXAMPLE_PORT``."""

import os

from examples.flask_service.app import app

app.run(os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("EXAMPLE_PORT", "8000")))
