from __future__ import annotations

from random import Random

from examples.load.shape import DAY_SECONDS, HOURS, request, share_at


def test_a_day_has_its_mean_rate_on_average() -> None:
    assert round(sum(HOURS), 9) == 24


def test_the_share_goes_from_hour_to_hour_in_a_line_and_around_midnight() -> None:
    assert share_at(0) == HOURS[0]
    assert share_at(9.5 * 3600) == (HOURS[9] + HOURS[10]) / 2
    assert share_at(23.5 * 3600) == (HOURS[23] + HOURS[0]) / 2
    assert share_at(DAY_SECONDS + 3600) == HOURS[1]


def test_requests_fit_their_endpoints_and_come_again_with_the_same_seed() -> None:
    requests = [request(Random(seed)) for seed in range(200)]
    assert requests == [request(Random(seed)) for seed in range(200)]
    assert {path for path, _, _ in requests} == {"/summarise", "/chat", "/search", "/index"}
    for path, headers, body in requests:
        assert headers["x-tenant"] in {"acme", "globex", "initech"}
        assert isinstance(body, list) == (path == "/index")
