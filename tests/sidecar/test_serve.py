"""``costmeter serve`` as a process: signals, addresses, and its end."""

import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import msgspec
import pytest

from costmeter.journal.writer import JournalWriter
from costmeter.sidecar.rights import AccessConfig
from costmeter.sidecar.serve import announce
from costmeter.sidecar.web import WebConfig
from costmeter.usage import UsageEvent

NOBODY = AccessConfig.model_validate(
    {"read": [], "write_usage": [], "alerts": [], "budgets": [], "reload": []}
)
SPENT = 'cost_spend_usd_total{provider="openai",model="gpt-4o-mini",component="input"} '


class Server:
    """A running ``costmeter serve``."""

    def __init__(self, directory: Path, *options: str, **settings: object) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.journal = directory / "journal"
        self.config = directory / "costmeter.yml"
        self.settings = {
            "journal": str(self.journal),
            "ledger": str(directory / "ledger.db"),
            "listen": f"127.0.0.1:{self.port}",
            "scrape_interval": "200ms",
            "prices": {"refresh": "off"},
        } | settings
        self.configure()
        self.log = directory / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "costmeter", "serve", "--config", self.config, *options],
                stderr=log,
            )

    def configure(self) -> None:
        # JSON is YAML.
        self.config.write_bytes(msgspec.json.encode(self.settings))

    def get(self, path: str = "/metrics") -> str:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except (URLError, ConnectionError):
            return ""

    def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def spent(self) -> float | None:
        for line in self.get().splitlines():
            if line.startswith(SPENT):
                return float(line.removeprefix(SPENT))
        return None


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*options: str, **settings: object) -> Server:
        servers.append(Server(tmp_path, *options, **settings))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait()


def spend(server: Server) -> None:
    """Write one event of 1,000 input tokens of gpt-4o-mini: 0.00015 USD."""
    writer = JournalWriter(server.journal)
    usage = {"input_tokens": 1000}
    event = UsageEvent(time.time_ns(), "chat", "openai", "gpt-4o-mini", {}, usage)
    assert writer.write(msgspec.json.encode(event))
    writer.close()


def test_a_stop_waits_until_the_last_cent_was_scraped(start: Callable[..., Server]) -> None:
    server = start()
    server.until(lambda: server.get("/-/ready"))
    spend(server)
    server.until(lambda: server.spent() == 0.00015)
    spend(server)
    server.process.send_signal(signal.SIGTERM)
    last = None
    while server.process.poll() is None:
        last = server.spent() or last
        time.sleep(0.05)
    assert last == 0.0003
    assert server.process.returncode == 0


def test_a_second_signal_ends_the_wait(start: Callable[..., Server]) -> None:
    server = start(scrape_interval="1h", drain_timeout="1h")
    server.until(lambda: server.get("/-/ready"))
    server.process.send_signal(signal.SIGTERM)
    server.until(lambda: "waiting for the last scrape" in server.log.read_text())
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0


def test_a_hangup_reads_the_configuration_again(start: Callable[..., Server]) -> None:
    server = start()
    server.until(lambda: server.get("/-/ready"))
    server.settings["alerts"] = {"spike_min_excess_usd": 7}
    server.configure()
    server.process.send_signal(signal.SIGHUP)
    server.until(lambda: "cost_spike_min_excess_usd 7.0" in server.get())
    server.settings["alerts"] = {"spike_min_excess_usd": -7}
    server.configure()
    server.process.send_signal(signal.SIGHUP)
    server.until(lambda: "reload: alerts.spike_min_excess_usd: -7:" in server.log.read_text())
    assert "cost_spike_min_excess_usd 7.0" in server.get()
    assert "cost_config_last_reload_successful 0" in server.get()


def test_a_second_exporter_of_the_same_ledger_is_refused(start: Callable[..., Server]) -> None:
    first = start()
    first.until(lambda: first.get("/-/ready"))
    second = start()
    assert second.process.wait(20) == 2
    assert "ledger.db" in second.log.read_text()
    assert first.get("/-/ready")


def test_an_address_that_is_taken_is_told(start: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = start(listen=address)
        assert server.process.wait(20) == 2
    assert f"listen: '{address}': cannot be listened on" in server.log.read_text()


@pytest.mark.parametrize(
    ("host", "warned"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True), ("::", True)]
)
def test_it_warns_where_it_is_open_to_the_network_without_a_password(
    host: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Listener:
        def getsockname(self) -> tuple[str, int]:
            return host, 9464

    caplog.set_level(logging.INFO)
    for access in (AccessConfig(), NOBODY, NOBODY.model_copy(update={"alerts": None})):
        announce(Listener(), WebConfig(None), access)
    url = f"http://[{host}]:9464" if ":" in host else f"http://{host}:9464"
    see = "; see 'access' in costmeter.yml and --web.config.file"
    anyone = f"{url} is open to the network: anyone who reaches it may "
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert (
        told
        == [
            f"{anyone}read what is spent, report usage, post alerts, have the configuration read again{see}",
            f"{anyone}post alerts{see}",
        ]
        * warned
    )


def test_no_header_makes_another_address_of_a_client(start: Callable[..., Server]) -> None:
    server = start(intake={"requests_per_second": 0.001, "burst": 2})
    server.until(lambda: "ready" in server.get("/-/ready"))

    def post(address: str) -> int:
        url = f"http://127.0.0.1:{server.port}/v1/events"
        request = Request(url, b"{}", {"X-Forwarded-For": address, "Content-Type": "text/plain"})
        with pytest.raises(HTTPError) as refused:
            urlopen(request, timeout=5)
        with refused.value as error:
            return error.code

    assert [post(f"192.0.2.{number}") for number in range(3)] == [415, 415, 429]
