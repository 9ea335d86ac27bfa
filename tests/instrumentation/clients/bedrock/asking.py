"""What tests of Bedrock ask the stand-in for, and what it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.standins.bedrock import Bedrock, converse_frames

RESPONSES = Path(__file__).parents[3] / "responses" / "bedrock"
SESSION = boto3.Session()  # reads the description of the service once
MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
MESSAGES: list[Any] = [{"role": "user", "content": [{"text": "What does it cost?"}]}]
CHAT = json.dumps({"messages": MESSAGES})
CONVERSED = {
    "input_tokens": 7520,
    "cache_write_tokens": 7502,
    "cache_write_1h_tokens": 7000,
    "output_tokens": 386,
}
STREAMED = {"input_tokens": 7520, "cache_read_tokens": 7502, "output_tokens": 503}
INVOKED = {
    "input_tokens": 2510,
    "cache_read_tokens": 2000,
    "cache_write_tokens": 500,
    "cache_write_1h_tokens": 400,
    "output_tokens": 25,
}
HEADERS = {
    "x-amzn-bedrock-input-token-count": "10",
    "x-amzn-bedrock-output-token-count": "25",
    "x-amzn-bedrock-cache-read-input-token-count": "2000",
    "x-amzn-bedrock-cache-write-input-token-count": "500",
    "x-amzn-bedrock-service-tier": "flex",
}
FROM_HEADERS = {key: count for key, count in INVOKED.items() if key != "cache_write_1h_tokens"}


def body_of(name: str) -> bytes:
    return (RESPONSES / name).read_bytes()


def client_of(url: str, attempts: int = 1) -> Any:
    return _client("bedrock-runtime", url, attempts)


def agents_of(url: str) -> Any:
    return _client("bedrock-agent-runtime", url)


def _client(service: Any, url: str, attempts: int = 1) -> Any:
    return SESSION.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="dummy",
        aws_secret_access_key="dummy",
        config=Config(
            connect_timeout=2, read_timeout=0.5, retries={"total_max_attempts": attempts}
        ),
    )


def conversing(bedrock: Bedrock, **fault: Any) -> None:
    """Let the stand-in answer with a stream of converse; a faulty one has no end."""
    frames = converse_frames(body_of("converse_stream.jsonl"))
    bedrock.answer(frames=frames[:3] if fault else frames, **fault)
