"""What the tests of pricing stand on: a publisher of prices, and a clock that stands still."""

import json
import threading


class Publisher:
    """What the server answers, and what it was asked.

    ``body`` is sent with ``status`` and ``etag``; a request that names the ``etag`` gets a 304.
    """

    def __init__(self) -> None:
        self.status = 200
        self.body = b""
        self.etag = ""
        self.asked: list[str] = []
        self.held = threading.Event()
        self.held.set()
        self.url = ""

    def publish(self, usd_per_million_input: float, model: str = "gpt-4o") -> None:
        prices = {"input_mtok": usd_per_million_input, "output_mtok": 10}
        models = [{"id": model, "match": {"equals": model}, "prices": prices}]
        provider = {"id": "openai", "name": "OpenAI", "api_pattern": "x", "models": models}
        self.body = json.dumps([provider]).encode()
        self.etag = f'"{usd_per_million_input}"'


class StillClock:
    """A clock that tests set."""

    def __init__(self, now_ns: int) -> None:
        self.now = now_ns

    def now_ns(self) -> int:
        return self.now

    def monotonic_ns(self) -> int:
        return self.now
