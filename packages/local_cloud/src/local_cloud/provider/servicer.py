"""The engine's gRPC protocol: requests in, the lifecycle's answers out.

The protocol: https://github.com/pulumi/pulumi/blob/master/proto/pulumi/provider.proto
"""

import json
import traceback
from collections.abc import Callable
from typing import Any

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import any_pb2, empty_pb2

from local_cloud.provider import configuration, protocol
from local_cloud.provider.functions import FUNCTIONS
from local_cloud.provider.lifecycle import IncompleteError, Lifecycle, UnknownTypeError
from local_cloud.provider.resource import RefusedError
from local_cloud.provider.schema import Refusal
from local_cloud.provider.session import ConfigurationError, Session
from local_cloud.provider.wire import decode, encode

__all__ = ["VERSION", "ProviderServicer"]

VERSION = "7.51.1"
"""The version of the AWS provider whose types and properties are spoken."""

_PropertyDiff = protocol.provider.PropertyDiff


class ProviderServicer(protocol.ResourceProviderServicer):
    """The `aws` provider's local stand-in, as the engine talks to it. One object serves one engine process."""

    def __init__(self, engine_address: str | None) -> None:
        self._engine = _Engine(engine_address)
        self._session: Session | None = None

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """Say which version of the AWS provider this stands in for."""
        return protocol.plugin.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """Return a schema that describes no type: programs use the AWS provider's own SDK."""
        return protocol.provider.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": VERSION}))

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """Talk to the engine at the address given."""
        self._engine = _Engine(request.address)
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """Accept that the engine gives up; each call is short and ends by itself."""
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """Refuse configuration that the stand-in does not implement."""
        _, refusals = configuration.read(decode(request.news))
        return protocol.provider.CheckResponse(
            inputs=request.news, failures=[_failure("provider", each) for each in refusals]
        )

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802
        """Never replace a provider, and with it every resource: each resource's `region` is compared on its own."""
        changed = decode(request.old_inputs) != decode(request.news)
        response = protocol.provider.DiffResponse
        return response(changes=response.DIFF_SOME if changed else response.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Take the configuration, say what this is, and check the account."""
        with self._errors(context, "provider"):
            values, refusals = configuration.read(decode(request.args))
            if refusals:
                raise ConfigurationError("; ".join(each.reason for each in refusals))
            settings = configuration.settings(values)
            self._session = Session(settings)
            self._engine.say(
                f"local stand-in for the aws provider {VERSION}, not AWS: resources are made at "
                + ", ".join(sorted(set(settings.endpoints.values())))
            )
            self._session.verify_account()
        return protocol.provider.ConfigureResponse(
            acceptSecrets=False,
            supportsPreview=True,
            acceptResources=False,
            supports_autonaming_configuration=True,
        )

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Answer a data source."""
        with self._errors(context, request.tok):
            function = FUNCTIONS.get(request.tok)
            if function is None:
                raise RefusedError(f"the local stand-in for the aws provider does not implement {request.tok!r}")
            result = function(self._configured, decode(request.args))
        return protocol.provider.InvokeResponse(**{"return": encode(result)})

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Fill in the inputs and refuse what AWS would."""
        token, name = _token(request.urn), request.urn.rsplit("::", 1)[1]
        with self._errors(context, request.urn):
            try:
                inputs, refusals = self._lifecycle.check(
                    token,
                    name,
                    decode(request.olds),
                    decode(request.news),
                    request.randomSeed or request.urn.encode(),
                    request.autonaming.proposed_name if request.HasField("autonaming") else None,
                )
            except UnknownTypeError as error:
                return protocol.provider.CheckResponse(failures=[protocol.provider.CheckFailure(reason=str(error))])
        return protocol.provider.CheckResponse(
            inputs=encode(inputs), failures=[_failure(token, each) for each in refusals]
        )

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Tell what changes, and whether in place."""
        with self._errors(context, request.urn):
            difference = self._lifecycle.diff(_token(request.urn), decode(request.old_inputs), decode(request.news))
        kinds = {}
        for name in difference.changed:
            kind = "ADD" if name in difference.added else "DELETE" if name in difference.removed else "UPDATE"
            kind = f"{kind}_REPLACE" if name in difference.replaces else kind
            kinds[name] = _PropertyDiff(kind=_PropertyDiff.Kind.Value(kind), inputDiff=True)
        response = protocol.provider.DiffResponse
        return response(
            changes=response.DIFF_SOME if difference.changed else response.DIFF_NONE,
            diffs=difference.changed,
            replaces=sorted(difference.replaces),
            deleteBeforeReplace=difference.delete_first,
            detailedDiff=kinds,
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Create the resource, or in a preview tell what it would be."""
        with self._errors(context, request.urn):
            created = self._lifecycle.create(
                _token(request.urn), request.urn, decode(request.properties), preview=request.preview
            )
        return protocol.provider.CreateResponse(id=created.identifier, properties=encode(created.state))

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Tell what the resource is now; no id says that it is gone."""
        with self._errors(context, request.urn):
            answer = self._lifecycle.read(
                _token(request.urn), request.urn, request.id, decode(request.inputs), decode(request.properties)
            )
        if answer is None:
            return protocol.provider.ReadResponse()
        inputs, state = answer
        return protocol.provider.ReadResponse(id=request.id, inputs=encode(inputs), properties=encode(state))

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Change the resource in place, or in a preview tell what it would be."""
        with self._errors(context, request.urn):
            state = self._lifecycle.update(
                _token(request.urn),
                request.urn,
                request.id,
                decode(request.olds),
                decode(request.old_inputs),
                decode(request.news),
                preview=request.preview,
            )
        return protocol.provider.UpdateResponse(properties=encode(state))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Delete the resource."""
        with self._errors(context, request.urn):
            self._lifecycle.delete(
                _token(request.urn), request.urn, request.id, decode(request.old_inputs), decode(request.properties)
            )
        return empty_pb2.Empty()

    @property
    def _configured(self) -> Session:
        if self._session is None:
            raise ConfigurationError("the provider is not configured")
        return self._session

    @property
    def _lifecycle(self) -> Lifecycle:
        return Lifecycle(self._configured, self._engine.warn)

    def _errors(self, context: grpc.ServicerContext, what: str) -> "_Errors":
        return _Errors(context, what)


class _Errors:
    """Turns what goes wrong into the engine's error for the resource: a sentence, or a trace for our own faults."""

    def __init__(self, context: grpc.ServicerContext, what: str) -> None:
        self._context = context
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        match error:
            case None:
                return
            case IncompleteError():
                _abort_incomplete(self._context, error)
            case ClientError():
                self._context.abort(grpc.StatusCode.UNKNOWN, _told(error))
            case RefusedError() | ConfigurationError() | UnknownTypeError() | BotoCoreError():
                self._context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            case _:
                shown = "".join(traceback.format_exception(error))
                self._context.abort(grpc.StatusCode.INTERNAL, f"fault in the local stand-in at {self._what}:\n{shown}")


def _told(error: ClientError) -> str:
    answer = error.response.get("Error", {})
    return f"{error.operation_name} failed: {answer.get('Code')}: {answer.get('Message')}"


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


class _Engine:
    """What the provider says to the user, through the engine."""

    def __init__(self, address: str | None) -> None:
        self._log: Callable[..., Any] | None = None
        if address:
            self._log = protocol.engine_grpc.EngineStub(grpc.insecure_channel(address)).Log

    def say(self, message: str) -> None:
        self._write(protocol.engine.INFO, message)

    def warn(self, urn: str, message: str) -> None:
        self._write(protocol.engine.WARNING, message, urn)

    def _write(self, severity: Any, message: str, urn: str = "") -> None:
        if self._log is not None:
            self._log(protocol.engine.LogRequest(severity=severity, message=message, urn=urn))


def _token(urn: str) -> str:
    return urn.rsplit("::", 2)[1].rsplit("$", 1)[-1]


def _failure(token: str, refusal: Refusal) -> Any:
    return protocol.provider.CheckFailure(property=refusal.path, reason=f"{token}: {refusal.path}: {refusal.reason}")
