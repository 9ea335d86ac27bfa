"""A worker that spends as fast as it can until the money is gone.

Usage: spender.py SEED ERROR. What a call costs is what was estimated, or up to a share ERROR more. It
prints how much it has spent and by how much its estimates were wrong, in nano-dollars.
"""

import random
import sys

import costmeter
from costmeter import gate
from costmeter.units import nano_to_usd

DEAREST = 20_000_000  # 0.02 USD


def main() -> None:
    chance, error = random.Random(int(sys.argv[1])), float(sys.argv[2])
    calls = spent = wrong = 0
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        estimate = chance.randint(DEAREST // 10, DEAREST)
        decision = gate.check(nano_to_usd(estimate), team="search")
        assert decision.outcome != "unavailable"
        if decision:
            cost = estimate + chance.randint(0, int(estimate * error))
            costmeter.record_request("/", "openai", nano_to_usd(cost), team="search")
            calls, spent, wrong = calls + 1, spent + cost, wrong + cost - estimate
        elif not decision.reserved_usd:
            break
    print(calls, spent, wrong, flush=True)


if __name__ == "__main__":
    main()
