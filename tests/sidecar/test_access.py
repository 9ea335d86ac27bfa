"""Who asks, and whether they may."""

from __future__ import annotations

import asyncio
import base64
import logging
from pathlib import Path

import bcrypt
import httpx2
import msgspec
import pytest

from costmeter.sidecar import access as access_module
from costmeter.sidecar.app import create_app
from costmeter.sidecar.rights import AccessConfig, hash_of
from costmeter.sidecar.web import WebConfig
from tests.sidecar.server import FakePipeline, client_of

PROBES = {"/-/healthy", "/-/ready"}
RIGHTS = {
    ("POST", "/-/reload"): "reload",
    ("GET", "/"): "read",
    ("GET", "/metrics"): "read",
    ("POST", "/v1/events"): "write_usage",
    ("POST", "/v1/traces"): "write_usage",
    ("POST", "/v1/gate"): "write_usage",
    ("POST", "/v1/alerts"): "alerts",
    ("GET", "/v1/alerts"): "read",
    ("GET", "/v1/audit"): "read",
    ("GET", "/v1/budgets"): "read",
    ("GET", "/v1/budgets/search"): "read",
    ("PUT", "/v1/budgets/search"): "budgets",
    ("DELETE", "/v1/budgets/search"): "budgets",
    ("PUT", "/v1/emergencies/search"): "budgets",
    ("DELETE", "/v1/emergencies/search"): "budgets",
}
NAMES = ("read", "write_usage", "alerts", "budgets", "reload")
TOKENS = {name: f"token-of-{name}" for name in NAMES}
ONE_EACH = AccessConfig.model_validate(
    {name: [name] for name in NAMES}
    | {"tokens": {name: hash_of(token.encode()) for name, token in TOKENS.items()}}
)

each_path = pytest.mark.parametrize(("method", "path"), RIGHTS, ids=" ".join)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def app_with(pipeline: FakePipeline, access: AccessConfig, web: WebConfig | None = None):
    pipeline.access = access
    return create_app(pipeline, web or WebConfig())


@pytest.fixture
def guarded(tmp_path: Path) -> WebConfig:
    """A web configuration with the user alice, password wonderland."""
    hashed = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()
    path = tmp_path / "web.yml"
    path.write_bytes(msgspec.json.encode({"basic_auth_users": {"alice": hashed}}))
    return WebConfig(path)


def test_every_path_but_the_probes_needs_a_right(pipeline: FakePipeline) -> None:
    routes = create_app(pipeline, WebConfig()).routes
    unguarded = {route.path for route in routes if not isinstance(route.app, access_module.Guarded)}
    assert unguarded == PROBES
    assert {
        (method, route.path.replace("{name:path}", "search"))
        for route in routes
        for method in route.methods - {"HEAD"}
        if route.path not in PROBES
    } >= RIGHTS.keys()


@each_path
@pytest.mark.parametrize("holder", NAMES)
async def test_a_right_opens_its_paths_and_no_others(
    pipeline: FakePipeline, method: str, path: str, holder: str
) -> None:
    async with client_of(app_with(pipeline, ONE_EACH), headers=bearer(TOKENS[holder])) as http:
        answer = await http.request(method, path)

    assert (answer.status_code == 403) == (holder != RIGHTS[method, path])
    if answer.status_code == 403:
        assert answer.text.startswith(f"{holder} may not ")


@each_path
async def test_a_stranger_is_asked_who_it_is_where_not_everybody_may(
    pipeline: FakePipeline, method: str, path: str
) -> None:
    async with client_of(app_with(pipeline, ONE_EACH)) as http:
        answer = await http.request(method, path)

    assert (answer.status_code, answer.text) == (401, "Unauthorized\n")
    assert answer.headers["www-authenticate"] == 'Bearer realm="costmeter"'


@each_path
async def test_without_the_section_only_changing_budgets_is_closed(
    pipeline: FakePipeline, method: str, path: str
) -> None:
    async with client_of(app_with(pipeline, AccessConfig())) as http:
        answer = await http.request(method, path)

    if RIGHTS[method, path] == "budgets":
        assert answer.status_code == 403
        assert answer.text == "nobody may change budgets: see 'access' in costmeter.yml\n"
    else:
        assert answer.status_code not in {401, 403}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_page_of_another_site_changes_nothing(pipeline: FakePipeline, method: str) -> None:
    headers = bearer(TOKENS["budgets"]) | {"sec-fetch-site": "cross-site"}
    async with client_of(app_with(pipeline, ONE_EACH), headers=headers) as http:
        answer = await http.request(method, "/v1/budgets/search")

    assert (answer.status_code, answer.text) == (403, "Posted from another site\n")


@pytest.mark.parametrize("path", sorted(PROBES))
async def test_probes_are_answered_to_everybody(pipeline: FakePipeline, path: str) -> None:
    async with client_of(app_with(pipeline, ONE_EACH)) as http:
        assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer wrong",
        "Bearer",
        "Bearer ",
        "bearer TOKEN-OF-READ",
        "Bearer token-of-read token-of-read",
        "Bearer " + "x" * 10_000,
        f"Bearer {ONE_EACH.tokens['read']}",
    ],
)
async def test_a_wrong_token_is_refused_on_every_path(
    pipeline: FakePipeline, authorization: str
) -> None:
    async with client_of(app_with(pipeline, ONE_EACH)) as http:
        headers = {"authorization": authorization}
        answers = [await http.get(path, headers=headers) for path in ("/metrics", "/-/healthy")]

    assert [answer.status_code for answer in answers] == [401, 401]


async def test_the_bytes_of_a_token_need_not_be_text(pipeline: FakePipeline) -> None:
    async with client_of(app_with(pipeline, ONE_EACH)) as http:
        answer = await http.get("/metrics", headers={"authorization": b"Bearer \xff\xfe"})

    assert answer.status_code == 401


async def test_users_and_tokens_go_together(pipeline: FakePipeline, guarded: WebConfig) -> None:
    access = AccessConfig.model_validate(
        {"read": ["alice", "grafana"], "budgets": "alice", "tokens": {"grafana": hash_of(b"g")}}
    )
    async with client_of(app_with(pipeline, access, guarded)) as http:
        statuses = [
            (await http.get("/metrics")).status_code,
            (await http.get("/metrics", auth=("alice", "wonderland"))).status_code,
            (await http.get("/metrics", headers=bearer("g"))).status_code,
            (await http.get("/-/healthy", headers=bearer("wrong"))).status_code,
            (await http.put("/v1/budgets/x", headers=bearer("g"))).status_code,
            (await http.put("/v1/budgets/x", auth=("alice", "wonderland"))).status_code,
        ]
        challenge = (await http.get("/metrics")).headers["www-authenticate"]

    assert statuses == [401, 200, 200, 401, 403, 415]
    assert challenge == 'Basic realm="costmeter", charset="UTF-8", Bearer realm="costmeter"'


async def test_a_reload_changes_who_may_at_once(pipeline: FakePipeline) -> None:
    app = app_with(pipeline, AccessConfig())
    async with client_of(app, headers=bearer("token-of-alerts")) as http:
        before = await http.get("/metrics")
        pipeline.access = ONE_EACH
        after = await http.get("/metrics")

    assert (before.status_code, after.status_code) == (200, 403)


async def test_an_address_that_guesses_is_not_listened_to_for_a_while(
    pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "FAILURES_AT_ONCE", 3)
    monkeypatch.setattr(access_module, "FAILURES_PER_SECOND", 0.001)
    async with client_of(app_with(pipeline, ONE_EACH)) as http:
        answers = [
            await http.get("/metrics", headers=bearer(token))
            for token in ("a", "token-of-read", "b", "c", "d", "token-of-read")
        ]
        probe = await http.get("/-/healthy")

    assert [answer.status_code for answer in answers] == [401, 200, 401, 429, 429, 429]
    assert answers[-1].headers["retry-after"] == "1000"
    assert probe.status_code == 200


async def test_guesses_at_once_are_no_more_than_one_after_another(
    pipeline: FakePipeline, guarded: WebConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "FAILURES_AT_ONCE", 3)
    monkeypatch.setattr(access_module, "FAILURES_PER_SECOND", 0.001)
    guesses = [*(f"guess-{number}" for number in range(20)), "wonderland"]
    async with client_of(app_with(pipeline, AccessConfig(), guarded)) as http:
        answers = await asyncio.gather(
            *(http.get("/metrics", auth=("alice", guess)) for guess in guesses)
        )

    assert {answer.status_code for answer in answers} == {401, 429}


async def test_no_credentials_are_logged_or_answered(
    pipeline: FakePipeline, guarded: WebConfig, caplog: pytest.LogCaptureFixture
) -> None:
    secret, password = "hunter2-token", "hunter2-password"
    basic = base64.b64encode(f"alice:{password}".encode()).decode()
    answers: list[httpx2.Response] = []
    with caplog.at_level(logging.DEBUG):
        async with client_of(app_with(pipeline, ONE_EACH, guarded)) as http:
            for path in ("/", "/metrics", "/v1/budgets/x", "/nowhere"):
                for authorization in (f"Bearer {secret}", f"Basic {basic}"):
                    headers = {"authorization": authorization}
                    answers.append(await http.put(path, headers=headers))

    seen = caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)
    assert {answer.status_code for answer in answers} == {401}
    assert "wrong credentials from 127.0.0.1" in caplog.text
    for hidden in (secret, password, basic):
        assert hidden not in seen
