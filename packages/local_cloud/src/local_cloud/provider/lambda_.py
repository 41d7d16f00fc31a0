"""Lambda functions, their aliases, who may invoke them and how often; event source mappings are in `event_sources`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.lambda_code import zipped
from local_cloud.provider.naming import Naming
from local_cloud.provider.resource import (
    TAGS,
    RefusedError,
    Resource,
    ResourceUpdate,
    Setting,
    Tagging,
    camel,
    pascal,
    wait_until,
)
from local_cloud.provider.schema import (
    ArchiveFile,
    Block,
    Flag,
    Integer,
    ListOf,
    MapOf,
    Number,
    Properties,
    Property,
    Refusal,
    Text,
)

__all__ = ["Alias", "Function", "FunctionRecursionConfig", "Permission", "environment_variables"]

_GONE = ("ResourceNotFoundException",)

# Names, sizes and limits: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html and
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_NAME = rules.matches(r"[a-zA-Z0-9_-]+", 1, 64, "letters, digits, - and _ are allowed")
_DESCRIPTION = Property(kind=Text(), rules=(rules.at_most(256),))
_ENVIRONMENT_SIZE = 4 * 1024

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
_VARIABLE = rules.matches(r"[a-zA-Z][a-zA-Z0-9_]+", 2, _ENVIRONMENT_SIZE, "a letter, then letters, digits and _")
_RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


def environment_variables(variables: Mapping[str, str]) -> str | None:
    """Say what is wrong with a function's environment: a reserved or malformed name, or 4 KB exceeded."""
    for name in variables:
        if name in _RESERVED:
            return f"Lambda keeps the environment variable {name} for itself"
        if reason := _VARIABLE(name):
            return f"the environment variable's name: {reason}"
    # Lambda counts the variables as the JSON object they are passed as.
    size = len(json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False).encode())
    if size > _ENVIRONMENT_SIZE:
        return f"the environment has {size} bytes: Lambda takes at most {_ENVIRONMENT_SIZE}"
    return None


_LOGGING = Block(
    {
        "logFormat": Property(kind=Text(("Text", "JSON")), required=True),
        "logGroup": Property(kind=Text()),
        "applicationLogLevel": Property(kind=Text(("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"))),
        "systemLogLevel": Property(kind=Text(("DEBUG", "INFO", "WARN"))),
    }
)

# What is part of a published version; the others belong to the function.
_CONFIGURATION = (
    "role",
    "handler",
    "runtime",
    "description",
    "timeout",
    "memorySize",
    "environment",
    "deadLetterConfig",
    "tracingConfig",
    "loggingConfig",
    "ephemeralStorage",
)
_VERSIONED = frozenset({*_CONFIGURATION, "code", "architectures", "publish"})
_CODE = frozenset({"code", "architectures"})


class Function(Resource):
    """A function whose code is a zip archive."""

    type_name = "aws:lambda/function:Function"
    service = "lambda"
    properties: ClassVar = {
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=64), rules=(_NAME,)),
        "code": Property(kind=ArchiveFile(), required=True),
        "role": Property(
            kind=Text(),
            required=True,
            rules=(rules.matches(r"arn:aws[a-zA-Z-]*:iam::[0-9]{12}:role/.+", 1, 10000, "a role's ARN is expected"),),
        ),
        "handler": Property(kind=Text(), required=True, rules=(rules.matches(r"\S+", 1, 128, "no white space"),)),
        "runtime": Property(kind=Text(), required=True),
        "description": _DESCRIPTION,
        "timeout": Property(kind=Integer(1, 900), default=3),
        "memorySize": Property(kind=Integer(128, 10240), default=128),
        "architectures": Property(kind=ListOf(Text(("x86_64", "arm64")), most=1), default=["x86_64"]),
        "environment": Property(
            kind=Block({"variables": Property(kind=MapOf(Text()), rules=(environment_variables,))})
        ),
        "deadLetterConfig": Property(kind=Block({"targetArn": Property(kind=Text(), required=True)})),
        "tracingConfig": Property(kind=Block({"mode": Property(kind=Text(("Active", "PassThrough")), required=True)})),
        "loggingConfig": Property(kind=_LOGGING),
        "ephemeralStorage": Property(kind=Block({"size": Property(kind=Integer(512, 10240), required=True)})),
        "reservedConcurrentExecutions": Property(kind=Integer(minimum=-1), default=-1),
        "packageType": Property(kind=Text(("Zip",)), default="Zip", replaces=True),
        "publish": Property(kind=Flag(), default=False, readable=False),
        "tags": TAGS,
    }
    outputs = (
        "arn",
        "invokeArn",
        "version",
        "qualifiedArn",
        "qualifiedInvokeArn",
        "codeSha256",
        "sourceCodeHash",
        "sourceCodeSize",
        "lastModified",
    )
    gone = _GONE
    tagging = Tagging(owner="Resource", by_arn=True, written=dict)
    renewed: ClassVar = {
        **dict.fromkeys(("version", "qualifiedArn", "qualifiedInvokeArn", "lastModified"), _VERSIONED),
        **dict.fromkeys(("codeSha256", "sourceCodeHash", "sourceCodeSize"), _CODE),
    }

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse log levels where the format has none."""
        logging = inputs.get("loggingConfig")
        if isinstance(logging, Mapping) and logging.get("logFormat") == "Text":
            for name in ("applicationLogLevel", "systemLogLevel"):
                if name in logging:
                    # https://docs.aws.amazon.com/lambda/latest/api/API_LoggingConfig.html
                    yield Refusal(f"loggingConfig.{name}", "only the JSON format has log levels")

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the function, and with `publish` its first version; the id is its name."""
        self.api.create_function(
            FunctionName=inputs["name"],
            Code={"ZipFile": zipped(inputs["code"])},
            Architectures=inputs["architectures"],
            Publish=inputs["publish"],
            Tags=inputs.get("tags") or {},
            **pascal({name: inputs.get(name) for name in _CONFIGURATION}),
        )
        return str(inputs["name"])

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Wait until the function is active, and reserve its concurrency."""
        self._wait(identifier)
        if inputs["reservedConcurrentExecutions"] >= 0:
            self._reserve(identifier, inputs["reservedConcurrentExecutions"])

    def live(self, identifier: str) -> Properties:
        """Read the function; code that was changed by others is told as no code."""
        answer = self.api.get_function(FunctionName=identifier)
        function = answer["Configuration"]
        told = camel({name[0].upper() + name[1:]: function.get(name[0].upper() + name[1:]) for name in _CONFIGURATION})
        arn = function["FunctionArn"]
        version = self._latest_version(identifier) if self.known.get("publish") else "$LATEST"
        changed = self.known.get("codeSha256") not in (None, function["CodeSha256"])
        return {
            **told,
            **self._told_defaults(function),
            "name": function["FunctionName"],
            "code": None if changed else self.known.get("code"),
            "architectures": function.get("Architectures", ["x86_64"]),
            "environment": {"variables": function.get("Environment", {}).get("Variables", {})},
            "deadLetterConfig": {"targetArn": function.get("DeadLetterConfig", {}).get("TargetArn")},
            "reservedConcurrentExecutions": self._reserved(identifier),
            "packageType": function.get("PackageType", "Zip"),
            "tags": answer.get("Tags") or {},
            "arn": arn,
            "invokeArn": _invoke_arn(self.region, arn),
            "version": version,
            "qualifiedArn": f"{arn}:{version}",
            "qualifiedInvokeArn": _invoke_arn(self.region, f"{arn}:{version}"),
            "codeSha256": function["CodeSha256"],
            "sourceCodeHash": function["CodeSha256"],
            "sourceCodeSize": function["CodeSize"],
            "lastModified": function["LastModified"],
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Update code and configuration one after the other, then publish the version that both make."""
        if change.touches(*_CODE):
            self.api.update_function_code(
                FunctionName=identifier,
                ZipFile=zipped(change.news["code"]),
                Architectures=change.news["architectures"],
            )
            self._wait(identifier)
        if change.touches(*_CONFIGURATION):
            self.api.update_function_configuration(FunctionName=identifier, **self._changed_configuration(change))
            self._wait(identifier)
        if change.news["publish"] and change.touches(*_VERSIONED):
            self.api.publish_version(FunctionName=identifier)
        if change.touches("reservedConcurrentExecutions"):
            self._reserve(identifier, change.news["reservedConcurrentExecutions"])

    def remove(self, identifier: str) -> None:
        """Delete the function and all its versions."""
        self.api.delete_function(FunctionName=identifier)

    def _changed_configuration(self, change: ResourceUpdate) -> dict[str, Any]:
        nothing: dict[str, Any] = {
            "description": "",
            "environment": {"variables": {}},
            "deadLetterConfig": {"targetArn": ""},
            **self._defaults(),
        }
        names = [name for name in _CONFIGURATION if change.touches(name)]
        wanted: dict[str, Any] = pascal({name: change.news.get(name) or nothing.get(name) for name in names})
        return wanted

    def _defaults(self) -> dict[str, Properties]:
        group = f"/aws/lambda/{self.known['name']}"
        return {
            "tracingConfig": {"mode": "PassThrough"},
            "loggingConfig": {"logFormat": "Text", "logGroup": group},
            "ephemeralStorage": {"size": 512},
        }

    def _told_defaults(self, function: Mapping[str, Any]) -> Properties:
        # A block that was not given is told only where it is not what Lambda takes by itself.
        levels = {"applicationLogLevel": "INFO", "systemLogLevel": "INFO"}
        told: Properties = {}
        for name, defaults in self._defaults().items():
            given = self.known.get(name) or {}
            taken = {**defaults, **levels} if name == "loggingConfig" else defaults
            now = camel(function.get(name[0].upper() + name[1:], {}))
            told[name] = {key: value for key, value in now.items() if key in given or value != taken.get(key)}
        return told

    def _latest_version(self, name: str) -> str:
        pages = self.api.get_paginator("list_versions_by_function").paginate(FunctionName=name)
        versions = [version["Version"] for page in pages for version in page["Versions"]]
        return max((each for each in versions if each.isdigit()), key=int, default="$LATEST")

    def _reserved(self, name: str) -> int:
        return int(self.api.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", -1))

    def _reserve(self, name: str, executions: int) -> None:
        if executions >= 0:
            self.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=executions)
        else:
            self.api.delete_function_concurrency(FunctionName=name)

    def _wait(self, name: str) -> None:
        def is_ready() -> bool:
            function = self.api.get_function_configuration(FunctionName=name)
            for state in (function.get("State"), function.get("LastUpdateStatus")):
                if state == "Failed":
                    raise RefusedError(f"the function {name}: {function.get('StateReason')}")
            return function.get("State") in {"Active", None} and function.get("LastUpdateStatus") != "InProgress"

        wait_until(is_ready, f"the function {name} is active")


def _invoke_arn(region: str, function_arn: str) -> str:
    return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function_arn}/invocations"


class Alias(Resource):
    """A name for a function's version, or for two by weight: which MiniStack records, and invokes the first alone."""

    type_name = "aws:lambda/alias:Alias"
    service = "lambda"
    properties: ClassVar = {
        "functionName": Property(kind=Text(), required=True, replaces=True),
        # https://docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html
        "name": Property(
            kind=Text(),
            replaces=True,
            naming=Naming(maximum=128),
            rules=(rules.matches(r"(?![0-9]+$)[a-zA-Z0-9_-]+", 1, 128, "letters, digits, - and _, not digits alone"),),
        ),
        "functionVersion": Property(
            kind=Text(), required=True, rules=(rules.matches(r"\$LATEST|[0-9]+", 1, 1024, "$LATEST or a number"),)
        ),
        "description": _DESCRIPTION,
        "routingConfig": Property(kind=Block({"additionalVersionWeights": Property(kind=MapOf(Number(0, 1)))})),
    }
    outputs = ("arn", "invokeArn")
    gone = _GONE

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse weights but those of one published version beside another.

        https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
        """
        match inputs:
            case {"functionVersion": first, "routingConfig": {"additionalVersionWeights": {**weights}}} if weights:
                if len(weights) > 1 or first in weights or "$LATEST" in (first, *weights):
                    yield Refusal("routingConfig", "weights are of one published version beside another")

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the alias; the id is its ARN."""
        return str(self.api.create_alias(**self._wanted(inputs))["AliasArn"])

    def live(self, identifier: str) -> Properties:
        """Read the alias."""
        function = self.known["functionName"]
        answer = self.api.get_alias(FunctionName=function, Name=self.known["name"])
        weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        return {
            "functionName": function,
            "name": answer["Name"],
            "functionVersion": answer["FunctionVersion"],
            "description": answer.get("Description"),
            "routingConfig": {"additionalVersionWeights": weights},
            "arn": identifier,
            "invokeArn": _invoke_arn(self.region, identifier),
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:  # noqa: ARG002
        """Point the alias elsewhere."""
        self.api.update_alias(**self._wanted(change.news))

    def remove(self, identifier: str) -> None:  # noqa: ARG002
        """Delete the alias."""
        self.api.delete_alias(FunctionName=self.known["functionName"], Name=self.known["name"])

    def _wanted(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        weights = (inputs.get("routingConfig") or {}).get("additionalVersionWeights") or {}
        return {
            "FunctionName": inputs["functionName"],
            "Name": inputs["name"],
            "FunctionVersion": inputs["functionVersion"],
            "Description": inputs.get("description", ""),
            "RoutingConfig": {"AdditionalVersionWeights": weights},
        }


class FunctionRecursionConfig(Setting):
    """Whether Lambda stops a function that invokes itself again and again, by way of a queue or a topic.

    It is the function's and not its versions'. A function always has one: `Terminate`, unless it was told otherwise.
    https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionRecursionConfig.html
    """

    type_name = "aws:lambda/functionRecursionConfig:FunctionRecursionConfig"
    service = "lambda"
    properties: ClassVar = {
        "functionName": Property(kind=Text(), required=True, replaces=True),
        "recursiveLoop": Property(kind=Text(("Allow", "Terminate")), required=True),
    }
    of = "functionName"
    gone = _GONE

    def live(self, identifier: str) -> Properties:
        """Read it; it is gone with its function."""
        answer = self.api.get_function_recursion_config(FunctionName=identifier)
        return {"functionName": identifier, "recursiveLoop": answer["RecursiveLoop"]}

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Set it."""
        self.api.put_function_recursion_config(FunctionName=identifier, RecursiveLoop=inputs["recursiveLoop"])

    def remove(self, identifier: str) -> None:
        """Go back to what Lambda gives a new function, as the AWS provider does."""
        self.put(identifier, {"recursiveLoop": "Terminate"})


class Permission(Resource):
    """Who may invoke a function: a statement of its policy, which can be put and removed but not changed."""

    type_name = "aws:lambda/permission:Permission"
    service = "lambda"
    properties: ClassVar = {
        "action": Property(kind=Text(), required=True, replaces=True),
        "function": Property(kind=Text(), required=True, replaces=True),
        "principal": Property(kind=Text(), required=True, replaces=True),
        "qualifier": Property(kind=Text(), replaces=True),
        "sourceArn": Property(kind=Text(), replaces=True),
        "sourceAccount": Property(
            kind=Text(), replaces=True, rules=(rules.matches(r"[0-9]{12}", 12, 12, "an account has 12 digits"),)
        ),
        # https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
        "statementId": Property(
            kind=Text(),
            replaces=True,
            naming=Naming(maximum=100),
            rules=(rules.matches(r"[a-zA-Z0-9_-]+", 1, 100, "letters, digits, - and _ are allowed"),),
        ),
    }
    gone = _GONE

    _PARAMETERS: ClassVar = {
        "action": "Action",
        "function": "FunctionName",
        "principal": "Principal",
        "qualifier": "Qualifier",
        "sourceArn": "SourceArn",
        "sourceAccount": "SourceAccount",
        "statementId": "StatementId",
    }

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Add the statement; the id is the statement's."""
        self.api.add_permission(
            **{theirs: inputs[ours] for ours, theirs in self._PARAMETERS.items() if inputs.get(ours)}
        )
        return str(inputs["statementId"])

    def live(self, identifier: str) -> Properties | None:
        """Read the statement."""
        statements = json.loads(self.api.get_policy(**self._place())["Policy"])["Statement"]
        statement = next((each for each in statements if each.get("Sid") == identifier), None)
        if statement is None:
            return None
        conditions = {
            key.lower(): value for each in statement.get("Condition", {}).values() for key, value in each.items()
        }
        return {
            "function": self.known["function"],
            "qualifier": self.known.get("qualifier"),
            "statementId": identifier,
            "action": statement["Action"],
            "principal": _principal(statement["Principal"], self.known.get("principal", "")),
            "sourceArn": conditions.get("aws:sourcearn"),
            "sourceAccount": conditions.get("aws:sourceaccount"),
        }

    def remove(self, identifier: str) -> None:
        """Remove the statement."""
        self.api.remove_permission(StatementId=identifier, **self._place())

    def _place(self) -> dict[str, str]:
        qualifier = {"Qualifier": self.known["qualifier"]} if self.known.get("qualifier") else {}
        return {"FunctionName": self.known["function"], **qualifier}


def _principal(told: Any, recorded: str) -> str:
    principal = told if isinstance(told, str) else str(next(iter(told.values())))
    # AWS tells an account as the ARN of its root: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
    return recorded if recorded and principal == f"arn:aws:iam::{recorded}:root" else principal
