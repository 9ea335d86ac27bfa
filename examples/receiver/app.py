"""A receiver of Alertmanager's webhooks: prints what arrives, and shows it at ``/``.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from collections import deque
from html import escape
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

SHOWN: Final = 200
"""Alerts that are kept, the newest first."""

PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>Alerts received</title>
<style>
  body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; max-width: 70rem }}
  table {{ border-collapse: collapse; width: 100% }}
  th, td {{ text-align: left; padding: .4rem .8rem; border-bottom: 1px solid #8884 }}
</style>
<h1>Alerts received</h1>
{alerts}
</html>
"""
NONE_YET: Final = "<p>None yet. Alertmanager sends them here.</p>"
HEAD: Final = "<tr><th>Since<th>Status<th>Severity<th>Alert<th>Receiver<th>Summary</tr>"


def create_app() -> Starlette:
    """Return the receiver as an ASGI application."""
    alerts: deque[dict[str, str]] = deque(maxlen=SHOWN)

    async def receive(request: Request) -> Response:
        told = await request.json()
        for alert in told.get("alerts", []):
            row = row_of(alert, told.get("receiver", ""))
            alerts.appendleft(row)
            print("{status}: {severity} {alert}: {summary}".format(**row), flush=True)
        return PlainTextResponse("received\n")

    async def show(request: Request) -> Response:  # noqa: ARG001, called by Starlette
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(value)}' for value in row.values())}</tr>"
            for row in alerts
        )
        return HTMLResponse(
            PAGE.format(alerts=f"<table>{HEAD}{rows}</table>" if rows else NONE_YET)
        )

    return Starlette(
        routes=[
            Route("/", show),
            Route("/{path:path}", receive, methods=["POST"]),
        ]
    )


def row_of(alert: dict[str, Any], receiver: str) -> dict[str, str]:
    """Return what is shown of an alert, in the order of the table's columns."""
    labels, annotations = alert.get("labels", {}), alert.get("annotations", {})
    return {
        "since": str(alert.get("startsAt", ""))[:19],
        "status": str(alert.get("status", "")),
        "severity": str(labels.get("severity", "")),
        "alert": str(labels.get("alertname", "")),
        "receiver": receiver,
        "summary": str(annotations.get("summary", "")),
    }
