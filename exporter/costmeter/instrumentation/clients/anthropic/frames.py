"""Cuts AWS's binary event stream into its frames, without botocore and whatever comes in between.

A frame is its length and that of its headers (4 bytes each, big-endian), a checksum of these (4),
the headers, the payload, and a checksum of it all (4). TLS has checked the bytes already, and the
SDK checks the sums: they are passed over here.

Source: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRELUDE: Final = struct.Struct(">III")
_CHECKSUM_BYTES: Final = 4
_LEAST_BYTES: Final = _PRELUDE.size + _CHECKSUM_BYTES
_MOST_BYTES: Final = 24 << 20
"""The longest frame that AWS sends: 16 MiB of payload, and its headers."""
_TEXT: Final = 7
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type; bytes (6) and texts (7) bring their own length."""


class Frame(NamedTuple):
    """One message: its headers that are texts, and its payload."""

    headers: dict[str, str]
    payload: bytes


class Frames:
    """Finds the frames in chunks of any size."""

    def __init__(self) -> None:
        """Expect the first byte of a frame."""
        self._rest = bytearray()
        self._lost = False

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Take a chunk in and yield the frames that are whole with it.

        Raises:
            ValueError: these are no frames; nothing is yielded any more.
        """
        if self._lost:
            return
        self._rest += chunk
        while len(self._rest) >= _PRELUDE.size:
            length, headers, _ = _PRELUDE.unpack_from(self._rest)
            if not _LEAST_BYTES + headers <= length <= _MOST_BYTES:
                self._lost = True
                self._rest.clear()
                raise ValueError(f"a frame of {length} bytes with {headers} bytes of headers")
            if len(self._rest) < length:
                return
            frame = bytes(self._rest[:length])
            del self._rest[:length]
            body = _PRELUDE.size + headers
            yield Frame(_texts(frame[_PRELUDE.size : body]), frame[body:-_CHECKSUM_BYTES])


def _texts(headers: bytes) -> dict[str, str]:
    """Return the headers that are texts, by their names."""
    texts: dict[str, str] = {}
    at = 0
    while at < len(headers):
        name_end = at + 1 + headers[at]
        kind, value = headers[name_end], name_end + 1
        if kind in _SIZES:
            at = value + _SIZES[kind]
            continue
        end = value + 2 + int.from_bytes(headers[value : value + 2], "big")
        if kind == _TEXT:
            texts[headers[at + 1 : name_end].decode()] = headers[value + 2 : end].decode()
        at = end
    return texts
