"""Reads what transcriptions and translations of Groq cost: by the hour, ten seconds at the least.

Only ``verbose_json`` tells how long the sound is; the other formats tell nothing.

Source: https://console.groq.com/docs/speech-to-text
"""

from __future__ import annotations

from typing import Final

from costmeter.instrumentation.clients.openai import audio as openai_audio
from costmeter.instrumentation.clients.reading import Reading

_LEAST_SECONDS: Final = 10
_KEY: Final = "input_audio_seconds"


class TranscriptionReader(openai_audio.TranscriptionReader):
    """Reads the answer to a request for a transcription or a translation."""

    def read(self, body: object) -> Reading:
        """Return what a parsed body tells: a plain text tells nothing."""
        return _billed(super().read(body))

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body tells."""
        return _billed(super().read_json(body))


def _billed(reading: Reading) -> Reading:
    """Return a reading with no less than what is billed."""
    if seconds := (reading.usage or {}).get(_KEY):
        return reading._replace(usage={_KEY: max(seconds, _LEAST_SECONDS)})
    return reading
