"""Meters Amazon Bedrock as boto3 and botocore call it: models, guardrails, films and agents.

The seam is the one method that every call of every client passes exactly once, around botocore's
own retries: ``BaseClient._make_api_call``. Its public events (``before-call``, ``after-call``)
would do for clients that are made later only: each session and each client has its own, and none
tells of a call whose parameters or credentials were refused. Calls of other services and other
operations pass through after one look-up of a name.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import unquote

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients import retries
from costmeter.instrumentation.clients.bedrock.agent import AgentTally
from costmeter.instrumentation.clients.bedrock.answer import Tap, tapped_body, tapped_stream
from costmeter.instrumentation.clients.bedrock.asked import (
    ANY_MODEL,
    OF_MODELS,
    OPERATIONS,
    RUNTIME,
    call_of,
    invoking,
)
from costmeter.instrumentation.clients.bedrock.outcome import answered_status, failure_status
from costmeter.instrumentation.clients.bedrock.usage import Tally, model_name
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.method import Method
from costmeter.instrumentation.on_import import OnImport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from costmeter.instrumentation.clients import Patch, Settings

_CLIENT: Final = "botocore.client"
_ENDPOINT: Final = "botocore.endpoint"
_METHOD: Final = "_make_api_call"


class Seam:
    """The patched ``_make_api_call``; off again it is the very method it was."""

    module: ClassVar[str] = _CLIENT
    owner: ClassVar[str] = "BaseClient"

    def __init__(self, settings: Settings) -> None:
        """Find botocore's classes.

        Raises:
            LookupError, AttributeError: they are not made as they were.
        """
        self._client: Any = getattr(sys.modules[self.module], self.owner)
        original = vars(self._client)[_METHOD]
        try:
            inspect.signature(original).bind(None, operation_name="", api_params={})
        except TypeError as error:
            raise LookupError(f"{self.owner}.{_METHOD}: {error}") from error
        self._tapped = self.answers()
        self._settings: Settings | None = settings
        self._original = original
        self._metered = self.around(original)
        self._retries = self.attempts()

    def put(self) -> None:
        """Start metering."""
        setattr(self._client, _METHOD, self._metered)
        for method in self._retries:
            method.put()

    def take(self) -> None:
        """Stop metering; where another library has wrapped us since, pass calls on unmetered."""
        self._settings = None
        for method in self._retries:
            method.take()
        if vars(self._client).get(_METHOD) is self._metered:
            setattr(self._client, _METHOD, self._original)

    def answers(self) -> dict[type, type]:
        """Return what answers that are yet to be read are tapped by, by their class."""
        stream = sys.modules["botocore.eventstream"].EventStream
        body = sys.modules["botocore.response"].StreamingBody
        return {stream: tapped_stream(stream), body: tapped_body(body)}

    def attempts(self) -> list[Method]:
        """Return what counts attempts that are made again."""
        endpoint = sys.modules[_ENDPOINT].Endpoint
        return retries.seams("botocore", (endpoint,), "_needs_retry", self._needs_retry)

    def around(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return what is put in the place of the method."""

        @functools.wraps(original)
        def _make_api_call(client: Any, operation_name: str, api_params: Any) -> Any:
            if operation_name not in OPERATIONS:
                return original(client, operation_name, api_params)
            call, api_params = self.begun(client, operation_name, api_params)
            if call is None:
                return original(client, operation_name, api_params)
            try:
                response = original(client, operation_name, api_params)
            except BaseException as error:
                call.fail(error, failure_status)
                raise
            self.answered(call, response)
            return response

        return _make_api_call

    def begun(self, client: Any, operation_name: str, given: Any) -> tuple[Call | None, Any]:
        """Return the call that is about to be made, and the parameters to make it with.

        Raises:
            BudgetExceededError: the gate refuses it.
        """
        switching = operation_name in ANY_MODEL
        call = begin(self._start, client, operation_name, given, switching=switching)
        if call is not None and call.instead:
            given = {**given, "modelId": call.instead}
        return call, given

    def answered(self, call: Call, response: Any) -> None:
        """End the call, or let it end with the answer that is still to be read."""
        if not boundary.attempt(self._follow, call, response, default=False):
            call.end("ok")

    def _start(self, client: Any, operation_name: str, given: Mapping[str, Any]) -> Call | None:
        if (settings := self._settings) is None:
            return None
        provider = settings.providers.at(client.meta.endpoint_url, "aws.bedrock")
        service = client.meta.service_model.service_name
        return call_of(service, operation_name, given, provider)

    def _needs_retry(self, method: Method) -> Callable[..., bool]:
        """Replace ``Endpoint._needs_retry``, which is asked after each attempt of any service."""
        original = method.original

        @functools.wraps(original)
        def _needs_retry(*args: Any, **named: Any) -> bool:
            needed: bool = original(*args, **named)
            if needed:
                boundary.attempt(functools.partial(self._again, *args, **named), default=None)
            return needed

        return _needs_retry

    def _again(
        self,
        endpoint: Any,
        _attempts: int,
        operation: Any,
        request: Mapping[str, Any],
        response: Any = None,
        caught_exception: BaseException | None = None,
    ) -> None:
        """Tell that an attempt is made again."""
        settings, service = self._settings, operation.service_model.service_name
        if settings is None or service != RUNTIME or operation.name not in OF_MODELS:
            return
        name = model_name(unquote(request["url_path"].split("/")[2]))
        provider = settings.providers.at(endpoint.host, "aws.bedrock")
        call = invoking(operation.name, name, request.get("body"), provider)
        failed = caught_exception
        retries.retried(call, failure_status(failed) if failed else answered_status(response[1]))

    def _follow(self, call: Call, response: Mapping[str, Any]) -> bool:
        if (reader := getattr(call, "answer", None)) is not None:
            call.end("ok", reader.read, response)
            return True
        if (answer := response.get("completion")) is not None:
            tally: Tally | AgentTally = AgentTally()
        else:
            tally = Tally(getattr(call, "tier", ""), getattr(call, "used", None))
            tally.response(response)
            answer = response.get("stream", response.get("body"))
        if answer is None:
            call.end("ok", tally.reading)
        elif (tapped := self._tapped.get(type(answer))) is not None:
            length = response["ResponseMetadata"].get("HTTPHeaders", {}).get("content-length")
            Tap(answer, tapped, tally, call, int(length) if length else None)
        else:
            boundary.note(f"bedrock: usage is not read from an answer of {type(answer)}")
            call.end("ok", tally.reading)
        return True


class Later:
    """A seam to be put in once ``botocore.client`` is imported, of which botocore imports nothing.

    It is not imported for our sake: much slower than ``botocore.exceptions``, and not needed by all
    that need those.
    """

    def __init__(self, settings: Settings) -> None:
        """Take the settings of the seam."""
        self._settings = settings
        self._on_import = OnImport()
        self._seam: Seam | None = None

    def put(self) -> None:
        """Wait for the import."""
        self._on_import.wait(_CLIENT, lambda _: boundary.attempt(self._put, default=None))

    def take(self) -> None:
        """Wait no longer, or stop metering."""
        self._on_import.forget(_CLIENT)
        if self._seam is not None:
            self._seam.take()

    def _put(self) -> None:
        seam = Seam(self._settings)
        seam.put()
        self._seam = seam


def meter(module: ModuleType, settings: Settings) -> list[Patch]:  # noqa: ARG001, any SDK's
    """Return the seam that meters the SDK.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    return [Seam(settings) if _CLIENT in sys.modules else Later(settings)]
