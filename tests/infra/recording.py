"""A Pulumi engine that only writes down what a program registers."""

import asyncio
import contextvars
import hashlib
import json
import logging
import os
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from google.protobuf import empty_pb2
from pulumi.runtime import mocks, rpc, set_all_config, settings
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack

__all__ = ["ACCOUNT", "REGION", "ROOT", "Recording", "Registration", "committed_config", "record"]

ROOT = Path(__file__).parents[2]
ROOT_TYPE = "pulumi:pulumi:Stack"
ACCOUNT = "111122223333"
REGION = "us-east-1"

ARNS = {
    "aws:s3/bucket:Bucket": "arn:aws:s3:::{name}",
    "aws:dynamodb/table:Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{name}}",
    "aws:sns/topic:Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{{name}}",
    "aws:sqs/queue:Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{name}}",
    "aws:kms/key:Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{name}}",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{{name}}",
    "aws:iam/policy:Policy": f"arn:aws:iam::{ACCOUNT}:policy{{path}}{{name}}",
    "aws:iam/role:Role": f"arn:aws:iam::{ACCOUNT}:role{{path}}{{name}}",
    "aws:lambda/function:Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{name}}",
    "aws:lambda/alias:Alias": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{functionName}}:{{name}}",
    "aws:cloudwatch/eventRule:EventRule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{{name}}",
    "aws:cloudwatch/logGroup:LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{name}}",
    "aws:cloudtrail/trail:Trail": f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{{name}}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{{name}}",
}
"""What a resource's ARN looks like, by type; `{name}` is its physical name, and others are its inputs."""

ANSWERS: Mapping[str, dict[str, str]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
    "aws:index/getRegion:getRegion": {"region": REGION},
    "aws:index/getPartition:getPartition": {"partition": "aws"},
}


@dataclass(frozen=True)
class Registration:
    """One resource as the program registered it."""

    urn: str
    former_urns: frozenset[str]
    """What it was called in an earlier release, by its own aliases and by those of what it is in."""
    type: str
    name: str
    physical: str
    """Its name in AWS; that of a component says nothing."""
    arn: str
    """Its ARN in AWS; empty where it has none that anybody asks for."""
    inputs: dict[str, Any]
    provider: str
    parent: str
    protect: bool

    def archived(self, name: str) -> Any:
        """Return a JSON document that is in a function's archive."""
        return json.loads(self.inputs["code"].assets[name].text)

    def document(self, key: str = "policy") -> dict[str, Any]:
        """Return a policy that was given as JSON."""
        parsed: dict[str, Any] = json.loads(self.inputs[key])
        return parsed


@dataclass
class Recording:
    """All that a program registered and exported."""

    registrations: list[Registration] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, type_: str) -> list[Registration]:
        """Return the registrations of a type, in order."""
        return [one for one in self.registrations if one.type == type_]

    def named(self, type_: str, name: str) -> Registration:
        """Return the one registration of that type and name."""
        (found,) = [one for one in self.of(type_) if one.name == name]
        return found

    def resources(self) -> list[Registration]:
        """Return what exists in AWS: neither components, providers nor references."""
        return [one for one in self.registrations if one.type.startswith("aws:")]

    def policies(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every policy document, by `<type>/<resource's name>`."""
        for one in self.resources():
            for key in ("policy", "assumeRolePolicy"):
                if isinstance(one.inputs.get(key), str):
                    yield f"{one.type}/{one.name}", one.document(key)


class _Unused(mocks.Mocks):
    def call(self, args: mocks.MockCallArgs) -> Any:
        raise NotImplementedError

    def new_resource(self, args: mocks.MockResourceArgs) -> Any:
        raise NotImplementedError


class _Monitor(mocks.MockMonitor):
    """The engine's side of the conversation, answering as AWS would; a preview knows nothing that AWS computes."""

    def __init__(
        self,
        recording: Recording,
        project: str,
        stack: str,
        stacks: Mapping[str, Mapping[str, Any]],
        others: Mapping[str, Mapping[str, Any]],
        *,
        preview: bool,
    ) -> None:
        super().__init__(_Unused())
        self._others = others
        self._project = project
        self._stack = stack
        self._recording = recording
        self._stacks = stacks
        self._preview = preview
        self._former: dict[str, frozenset[str]] = {}

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """Return the URN that the engine makes: with the type of every parent, which the SDK's mocks leave out.

        https://www.pulumi.com/docs/iac/concepts/resources/names/#urns
        """
        parents = parent.split("::")[2] if parent else ROOT_TYPE
        types = type_ if parents == ROOT_TYPE else f"{parents}${type_}"
        return "::".join([f"urn:pulumi:{self._stack}", self._project, types, name])

    def _former_urns(self, request: Any) -> frozenset[str]:
        """Return the aliases, and those by its parent's: a child's name that began with its parent's did so before.

        https://www.pulumi.com/docs/iac/concepts/resources/options/aliases/
        """
        parent = request.parent.rpartition("::")[2]
        former_urns = {
            self.make_urn(spec.parentUrn or request.parent, spec.type or request.type, spec.name or request.name)
            for spec in (alias.spec for alias in request.aliases)
        }
        for former in self._former.get(request.parent, ()):
            own = request.name.removeprefix(parent)
            name = request.name if own == request.name else former.rpartition("::")[2] + own
            former_urns.add(self.make_urn(former, request.type, name))
        return frozenset(former_urns)

    def Invoke(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        if not request.provider:
            raise AssertionError(f"{request.tok} is asked of the default provider")
        answer = {**ANSWERS, **self._others}.get(request.tok)
        if answer is None:
            nothing = resource_pb2.ResourceInvokeResponse()
            nothing.failures.add(reason="there is nothing of that name")
            return nothing
        return resource_pb2.ResourceInvokeResponse(**{"return": _struct(answer)})

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        if request.type.startswith("aws:"):
            urn = self.make_urn(request.parent, request.type, request.name)
            return resource_pb2.ReadResourceResponse(urn=urn, properties=_struct(self._others[request.type]))
        outputs = self._stacks.get(request.id)
        if outputs is None:
            raise AssertionError(f"unknown stack {request.id}")
        state = {"name": request.id, "outputs": dict(outputs), "secretOutputNames": []}
        urn = self.make_urn(request.parent, request.type, request.name)
        return resource_pb2.ReadResourceResponse(urn=urn, properties=_struct(state))

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == ROOT_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        self._former[urn] = self._former_urns(request)
        inputs = rpc.deserialize_properties(request.object)
        physical, state = _created(self._stack, request.type, request.name, inputs)
        self._recording.registrations.append(
            Registration(
                urn,
                self._former[urn],
                request.type,
                request.name,
                physical,
                state["arn"],
                inputs,
                request.provider,
                request.parent,
                request.protect,
            )
        )
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        if self._preview:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=physical, object=_struct(state))

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        if ROOT_TYPE in request.urn:
            self._recording.outputs = rpc.deserialize_properties(request.outputs, keep_unknowns=True)
        return empty_pb2.Empty()


def committed_config(project: str, stack: str) -> dict[str, Any]:
    """Return a stack's committed configuration, as YAML has it."""
    text = (ROOT / "projects" / project / f"Pulumi.{stack.partition('-')[0]}.yaml").read_text()
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    return config


def record(
    project: str,
    stack: str,
    config: Mapping[str, Any] | None = None,
    *,
    stacks: Mapping[str, Mapping[str, Any]] | None = None,
    others: Mapping[str, Mapping[str, Any]] | None = None,
    preview: bool = False,
) -> Recording:
    """Run a project's program for a stack, and return what it registered and exported.

    The configuration is the committed one, changed by `config`; None removes a key. `stacks` are the outputs of the
    stacks that exist, by full name, and `others` is what else is there, by the token that it is looked up by. Raises
    what the program raises.
    """
    values = {**committed_config(project, stack), **(config or {})}
    recording = Recording()
    program = ROOT / "projects" / project / "__main__.py"

    def run() -> None:
        set_all_config({key: _stored(value) for key, value in values.items() if value is not None})
        monitor = _Monitor(recording, project, stack, stacks or {}, others or {}, preview=preview)
        features = set(monitor.GetDeploymentInfo(None).supportedFeatures)  # type: ignore[no-untyped-call]
        settings.configure(
            mocks.MockSettings(  # type: ignore[no-untyped-call]
                monitor=monitor,
                monitor_features=features,
                engine=mocks.MockEngine(logging.getLogger("pulumi")),
                project=project,
                stack=stack,
                dry_run=preview,
                organization="organization",
            )
        )
        # A run that failed leaves what it was waiting for, with a loop that is closed, in what all runs share.
        settings.SETTINGS.rpc_manager.clear()
        settings.SETTINGS.outputs.clear()
        settings.set_root_resource(None)  # type: ignore[arg-type] # no run's stack outlives it

        async def run_program() -> None:
            runpy.run_path(str(program), run_name="__main__")

        async def deploy() -> None:
            await run_in_stack(run_program)

        try:
            asyncio.run(deploy())
        except Exception as error:  # noqa: BLE001 - raised again
            # The engine's side awaits outputs of outputs: a traceback that deep is nothing to read.
            raise error.with_traceback(None) from None

    # What is declared does not depend on it, and a program that runs often need not look for a Python as often.
    with mock.patch.dict(os.environ, {"DATA_PIPELINE_BYTE_CODE": "none"}):
        contextvars.copy_context().run(run)
    return recording


def _stored(value: Any) -> str:
    """Return a value as Pulumi hands it to a program: text, and JSON for what is nested."""
    return value if isinstance(value, str) else json.dumps(value)


def _created(stack: str, type_: str, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    given = inputs.get("name") or inputs.get("bucket")
    # Distinct in every stack, as the engine's own names are.
    physical = str(given) if given else f"{name}-{hashlib.sha256(stack.encode()).hexdigest()[:7]}"
    arn = ARNS.get(type_, "").format(**{"path": "/", **inputs, "name": physical})
    computed: dict[str, Any] = {"arn": arn, "id": physical, "name": physical, "bucket": physical}
    if type_ == "aws:sqs/queue:Queue":
        computed["url"] = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{physical}"
    if type_ == "aws:dynamodb/table:Table":
        computed["streamArn"] = f"{arn}/stream/2026-01-01T00:00:00.000"
    if type_ == "aws:lambda/eventSourceMapping:EventSourceMapping":
        computed["uuid"] = f"uuid-of-{name}"
    if type_ == "aws:lambda/function:Function":
        computed |= {"version": "1", "qualifiedArn": f"{arn}:1"}
    return physical, {**inputs, **{key: value for key, value in computed.items() if key not in inputs}}


def _struct(value: Mapping[str, Any]) -> Any:
    return asyncio.run(rpc.serialize_properties(dict(value), {}))
