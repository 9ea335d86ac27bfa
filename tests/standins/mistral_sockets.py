"""A stand-in for Mistral's WebSockets: one session of each kind, told to its end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.standins.answering import RESPONSES

REALTIME = "voxtral-mini-transcribe-realtime-2602"
SPEECH = "voxtral-mini-tts-3-0"


def created(model: str) -> dict[str, object]:
    """Return the event that begins a session, with what one of either kind has."""
    session = {
        "request_id": "1",
        "model": model,
        "audio_format": {"encoding": "pcm_s16le", "sample_rate": 16000},
        "is_ref_audio": False,
        "streaming_mode": "responsive",
        "response_format": "pcm",
        "expressiveness": 1.0,
    }
    return {"type": "session.created", "session": session}


def transcribed() -> list[dict[str, object]]:
    """Return the events of a transcription."""
    heard = json.loads((RESPONSES / "mistral/transcription.json").read_text())
    return [
        {"type": "transcription.text.delta", "text": heard["text"]},
        {"type": "transcription.done", **heard, "model": REALTIME},
    ]


def spoken() -> list[dict[str, object]]:
    """Return the events of speech."""
    usage = {"prompt_tokens": 9, "completion_tokens": 101, "total_tokens": 110}
    return [
        {"type": "speech.audio.delta", "audio_data": "SUQz"},
        {"type": "speech.audio.done", "usage": usage},
    ]


@contextmanager
def serving_sockets(asked: list[str]) -> Iterator[str]:
    """Serve the stand-in, and yield its address; ``asked`` takes what connections are opened to."""

    def speak(connection: ServerConnection) -> None:
        path = connection.request.path if connection.request else ""
        asked.append(path)
        with suppress(ConnectionClosed):
            connection.send(json.dumps(created(path.rpartition("model=")[2])))
            if "/speech" in path:
                connection.recv()  # the text
            for event in spoken() if "/speech" in path else transcribed():
                connection.send(json.dumps(event))

    with serve(speak, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()
