"""Sends the example service a day's load, speeded up.

Environment:
    EXAMPLE_URL: the service, by default on this machine at EXAMPLE_PORT.
    LOAD_RATE: requests a second on average over a day, default 3.
    LOAD_SPEED: how many seconds of a day pass in one second, default 144: a day in ten minutes.
    LOAD_START: hour of the day to start at, default 8.
    LOAD_CONCURRENCY: requests under way at most, default 16; what is more is not sent.
    LOAD_SEED: the seed, default 1.
"""

from __future__ import annotations

import asyncio
import os
import random
import time

import httpx2

from examples.load.shape import request, share_at

PATIENCE_SECONDS = 20
HANG_UPS = 0.03
"""Share of callers who have read enough after the first words."""


async def main() -> None:
    """Send requests until ended."""
    environment = os.environ.get
    url = environment("EXAMPLE_URL") or f"http://127.0.0.1:{environment('EXAMPLE_PORT', '8000')}"
    rate = float(environment("LOAD_RATE", "3"))
    speed = float(environment("LOAD_SPEED", "144"))
    hour = float(environment("LOAD_START", "8"))
    concurrency = int(environment("LOAD_CONCURRENCY", "16"))
    dice = random.Random(environment("LOAD_SEED", "1"))
    started = time.monotonic()
    under_way: set[asyncio.Task[None]] = set()
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
        await until_up(client)
        while True:
            second = hour * 3600 + (time.monotonic() - started) * speed
            await asyncio.sleep(dice.expovariate(rate * share_at(second)))
            if len(under_way) < concurrency:
                task = asyncio.create_task(send(client, dice))
                under_way.add(task)
                task.add_done_callback(under_way.discard)


async def until_up(client: httpx2.AsyncClient) -> None:
    """Wait for the service."""
    while True:
        try:
            await client.get("/docs")
        except httpx2.TransportError:
            await asyncio.sleep(0.2)
        else:
            return


async def send(client: httpx2.AsyncClient, dice: random.Random) -> None:
    """Send one request and read its answer, or hang up while it comes in."""
    path, headers, body = request(dice)
    hangs_up = dice.random() < HANG_UPS
    try:
        async with client.stream("POST", path, headers=headers, json=body) as answer:
            async for _ in answer.aiter_bytes():
                if hangs_up:
                    break
    except httpx2.TransportError as error:
        print(f"{path}: {type(error).__name__}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
