"""The engine's gRPC protocol: requests in, the lifecycle's answers out.

The protocol: https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

import json
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import any_pb2, empty_pb2

from local_cloud.provider import configuration, functions, protocol
from local_cloud.provider.configuration import ConfigurationError, Settings
from local_cloud.provider.lifecycle import IncompleteError, Lifecycle, UnknownTypeError
from local_cloud.provider.resource import RefusedError
from local_cloud.provider.schema import Refusal
from local_cloud.provider.session import Session
from local_cloud.provider.wire import decode, encode

__all__ = ["VERSION", "ProviderServicer"]

VERSION = "7.51.1"
"""The version of the AWS provider whose types and properties are spoken."""

_Operation = Callable[["ProviderServicer", Any], Any]


def _answered(operation: _Operation) -> Callable[["ProviderServicer", Any, grpc.ServicerContext], Any]:
    """Tell the engine what goes wrong in the operation: in a sentence, or by a trace for our own faults."""

    @wraps(operation)
    def answer(self: "ProviderServicer", request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return operation(self, request)
        except IncompleteError as error:
            _abort_incomplete(context, error)
        except ClientError as error:
            told = error.response.get("Error", {})
            sentence = f"{error.operation_name} failed: {told.get('Code')}: {told.get('Message')}"
            context.abort(grpc.StatusCode.UNKNOWN, sentence)
        except (RefusedError, ConfigurationError, UnknownTypeError, BotoCoreError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Exception:  # noqa: BLE001 - whatever it is, the engine shows it at the resource
            what = getattr(request, "urn", "") or getattr(request, "tok", "provider")
            shown = f"fault in the local stand-in at {what}:\n{traceback.format_exc()}"
            context.abort(grpc.StatusCode.INTERNAL, shown)

    return answer


class ProviderServicer(protocol.ResourceProviderServicer):
    """The `aws` provider's local stand-in, as the engine talks to it. One object serves one engine process."""

    def __init__(self, engine_address: str | None) -> None:
        self._log = _engines_log(engine_address)
        self._session: Session | None = None

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return protocol.plugin.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Return a schema that describes no type: programs use the AWS provider's own SDK."""
        return protocol.provider.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": VERSION}))

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._log = _engines_log(request.address)
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Accept that the engine gives up; each call is short and ends by itself."""
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        _, refusals = configuration.read(decode(request.news))
        failures = [_failure("provider", each) for each in refusals]
        return protocol.provider.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Never replace a provider, and with it every resource: each resource's `region` is compared on its own."""
        changed = decode(request.old_inputs) != decode(request.news)
        response = protocol.provider.DiffResponse
        return response(changes=response.DIFF_SOME if changed else response.DIFF_NONE)

    @_answered
    def Configure(self, request: Any) -> Any:
        """Take the configuration, say what this is, and check the account."""
        settings = Settings.of(decode(request.args))
        self._session = Session(settings)
        places = ", ".join(sorted(set(settings.endpoints.values())))
        said = f"local stand-in for the aws provider {VERSION}, not AWS: resources are made at {places}"
        self._log(protocol.engine.LogRequest(severity=protocol.engine.INFO, message=said))
        self._session.verify_account()
        return protocol.provider.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    @_answered
    def Invoke(self, request: Any) -> Any:
        result = functions.invoke(self._configured, request.tok, decode(request.args))
        return protocol.provider.InvokeResponse(**{"return": encode(result)})

    @_answered
    def Check(self, request: Any) -> Any:
        token, name = _token(request.urn), request.urn.rsplit("::", 1)[1]
        seed = request.randomSeed or request.urn.encode()
        proposed = request.autonaming.proposed_name if request.HasField("autonaming") else None
        olds, news = decode(request.olds), decode(request.news)
        try:
            inputs, refusals = self._lifecycle(request).check(name, olds, news, seed, proposed)
        except UnknownTypeError as error:
            return protocol.provider.CheckResponse(failures=[protocol.provider.CheckFailure(reason=str(error))])
        failures = [_failure(token, each) for each in refusals]
        return protocol.provider.CheckResponse(inputs=encode(inputs), failures=failures)

    @_answered
    def Diff(self, request: Any) -> Any:
        olds, news = decode(request.old_inputs), decode(request.news)
        difference = self._lifecycle(request).diff(olds, news)
        kinds, difference_of = {}, protocol.provider.PropertyDiff
        for name in difference.changed:
            kind = "ADD" if name in difference.added else "DELETE" if name in difference.removed else "UPDATE"
            kind = f"{kind}_REPLACE" if name in difference.replaces else kind
            kinds[name] = difference_of(kind=difference_of.Kind.Value(kind), inputDiff=True)
        response = protocol.provider.DiffResponse
        return response(
            changes=response.DIFF_SOME if difference.changed else response.DIFF_NONE,
            diffs=difference.changed,
            replaces=sorted(difference.replaces),
            deleteBeforeReplace=difference.delete_first,
            detailedDiff=kinds,
            hasDetailedDiff=True,
        )

    @_answered
    def Create(self, request: Any) -> Any:
        inputs = decode(request.properties)
        created = self._lifecycle(request).create(inputs, preview=request.preview)
        return protocol.provider.CreateResponse(id=created.identifier, properties=encode(created.state))

    @_answered
    def Read(self, request: Any) -> Any:
        """Tell what the resource is now; no id says that it is gone."""
        inputs, state = decode(request.inputs), decode(request.properties)
        answer = self._lifecycle(request).read(request.id, inputs, state)
        if answer is None:
            return protocol.provider.ReadResponse()
        inputs, state = answer
        return protocol.provider.ReadResponse(id=request.id, inputs=encode(inputs), properties=encode(state))

    @_answered
    def Update(self, request: Any) -> Any:
        state, olds, news = decode(request.olds), decode(request.old_inputs), decode(request.news)
        lifecycle = self._lifecycle(request)
        state = lifecycle.update(request.id, state, olds, news, preview=request.preview)
        return protocol.provider.UpdateResponse(properties=encode(state))

    @_answered
    def Delete(self, request: Any) -> Any:
        inputs, state = decode(request.old_inputs), decode(request.properties)
        self._lifecycle(request).delete(request.id, inputs, state)
        return empty_pb2.Empty()

    @property
    def _configured(self) -> Session:
        if self._session is None:
            raise ConfigurationError("the provider is not configured")
        return self._session

    def _lifecycle(self, request: Any) -> Lifecycle:
        def warn(message: str) -> None:
            warning = protocol.engine.LogRequest(severity=protocol.engine.WARNING, message=message, urn=request.urn)
            self._log(warning)

        return Lifecycle(_token(request.urn), self._configured, warn)


def _abort_incomplete(context: grpc.ServicerContext, error: IncompleteError) -> None:
    # The engine records the resource with the reasons, and completes it by an update on the next run.
    detail = any_pb2.Any()
    detail.Pack(
        protocol.provider.ErrorResourceInitFailed(
            id=error.created.identifier,
            properties=encode(error.created.state),
            inputs=encode(error.inputs),
            reasons=[str(error)],
        )
    )
    status = protocol.status.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _engines_log(address: str | None) -> Callable[[Any], Any]:
    if not address:
        return lambda _request: None
    log: Callable[[Any], Any] = protocol.engine_grpc.EngineStub(grpc.insecure_channel(address)).Log
    return log


def _token(urn: str) -> str:
    return urn.rsplit("::", 2)[1].rsplit("$", 1)[-1]


def _failure(token: str, refusal: Refusal) -> Any:
    return protocol.provider.CheckFailure(property=refusal.path, reason=f"{token}: {refusal.path}: {refusal.reason}")
