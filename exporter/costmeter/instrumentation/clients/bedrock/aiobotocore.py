"""Meters Amazon Bedrock as aiobotocore calls it: as botocore does, by asyncio.

Its client derives from botocore's and replaces the one method that every call passes; what it hands
out derives from what botocore does.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from costmeter.instrumentation.clients.bedrock.answer import (
    tapped_async_body,
    tapped_async_stream,
)
from costmeter.instrumentation.clients.bedrock.asked import OPERATIONS
from costmeter.instrumentation.clients.bedrock.client import Seam
from costmeter.instrumentation.clients.bedrock.outcome import failure_status

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from costmeter.instrumentation.clients import Patch, Settings
    from costmeter.instrumentation.clients.method import Method


class AsyncSeam(Seam):
    """The patched ``_make_api_call`` of aiobotocore; off again it is the very method it was."""

    module: ClassVar[str] = "aiobotocore.client"
    owner: ClassVar[str] = "AioBaseClient"

    def answers(self) -> dict[type, type]:
        """Return what answers that are yet to be read are tapped by, by their class."""
        stream = sys.modules["aiobotocore.eventstream"].AioEventStream
        response = sys.modules["aiobotocore.response"]
        bodies = [response.AioStreamingBody]
        if (by_httpx := getattr(response, "AioHttpxStreamingBody", None)) is not None:
            bodies.append(by_httpx)  # older versions have none
        return {stream: tapped_async_stream(stream)} | {
            body: tapped_async_body(body) for body in bodies
        }

    def attempts(self) -> list[Method]:
        """Return what counts attempts: nothing, for aiobotocore has a way of its own."""
        return []

    def around(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return what is put in the place of the method."""

        @functools.wraps(original)
        async def _make_api_call(client: Any, operation_name: str, api_params: Any) -> Any:
            if operation_name not in OPERATIONS:
                return await original(client, operation_name, api_params)
            call, api_params = self.begun(client, operation_name, api_params)
            if call is None:
                return await original(client, operation_name, api_params)
            try:
                response = await original(client, operation_name, api_params)
            except BaseException as error:
                call.fail(error, failure_status)
                raise
            self.answered(call, response)
            return response

        return _make_api_call


def meter(module: ModuleType, settings: Settings) -> list[Patch]:  # noqa: ARG001, the very one
    """Return the seam that meters the SDK.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    return [AsyncSeam(settings)]
