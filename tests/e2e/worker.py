"""A worker that spends a known amount through the real OpenAI SDK.

Usage: worker.py BASE_URL ROUNDS [--hang]. Each round makes four calls, one of them streamed, whose
usage the stand-in is told to report. It prints ``done`` after the last; with ``--hang`` it then waits
in a call that is never answered, until it is killed.
"""

import json
import sys

import openai

import costmeter

SMALL = {
    "prompt_tokens": 1200,
    "completion_tokens": 50,
    "total_tokens": 1250,
    "prompt_tokens_details": {"cached_tokens": 1000},
}
LARGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
THINKING = {
    "prompt_tokens": 500,
    "completion_tokens": 300,
    "total_tokens": 800,
    "completion_tokens_details": {"reasoning_tokens": 200},
}


def main() -> None:
    base_url, rounds = sys.argv[1], int(sys.argv[2])
    costmeter.instrument(providers={base_url: "openai"})
    client = openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)

    def ask(model: str, usage: dict[str, object], **more: object) -> object:
        return client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "How much?"}],
            extra_headers={"x-standin-usage": json.dumps(usage)},
            **more,
        )

    for _ in range(rounds):
        with costmeter.attribute(endpoint="/answer", feature="answers", team="search"):
            ask("gpt-4o-mini", SMALL)
            ask("gpt-4o", LARGE)
        with costmeter.attribute(endpoint="/think", feature="reports", team="finance"):
            ask("o4-mini", THINKING)
            for _ in ask("gpt-4o-mini", SMALL, stream=True):
                pass
    ask("mystery-1", LARGE)
    print("done", flush=True)
    if "--hang" in sys.argv:
        client.chat.completions.create(
            model="gpt-4o", messages=[], extra_headers={"x-standin-fault": "hang"}
        )


if __name__ == "__main__":
    main()
