"""Lambda functions, their aliases, who may invoke them and how often; event source mappings are in `event_sources`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.lambda_code import zipped
from local_cloud.provider.resource import (
    TAG_MAP,
    Calls,
    RefusedError,
    Resource,
    ResourceUpdate,
    Setting,
    Tagging,
    wait_until,
)
from local_cloud.provider.schema import (
    ArchiveFile,
    Block,
    Flag,
    Integer,
    ListOf,
    MapOf,
    Name,
    Number,
    Properties,
    Property,
    Refusal,
    Text,
)

__all__ = ["Alias", "Function", "FunctionRecursionConfig", "Permission"]


# Names, sizes and limits: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html and
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_DESCRIPTION = Text(rules=(rules.at_most(256),))
_ENVIRONMENT_SIZE = 4 * 1024

# https://docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html
_VERSION = rules.matches(r"\$LATEST|[0-9]+", 1, 1024, "$LATEST or a number")

# https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
_ACCOUNT = rules.matches(r"[0-9]{12}", 12, 12, "an account has 12 digits")

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
_VARIABLE = rules.matches(r"[a-zA-Z][a-zA-Z0-9_]+", 2, _ENVIRONMENT_SIZE, "a letter, then letters, digits and _")
_RESERVED_NAMES = """
    _HANDLER _X_AMZN_TRACE_ID AWS_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_DEFAULT_REGION AWS_EXECUTION_ENV
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE
    AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_LAMBDA_RUNTIME_API AWS_REGION AWS_SECRET_ACCESS_KEY
    AWS_SESSION_TOKEN LAMBDA_RUNTIME_DIR LAMBDA_TASK_ROOT
"""
_RESERVED = frozenset(_RESERVED_NAMES.split())


def _environment_variables(variables: Mapping[str, str]) -> str | None:
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


_ROLE = rules.matches(r"arn:aws[a-zA-Z-]*:iam::[0-9]{12}:role/.+", 1, 10000, "a role's ARN is expected")
_HANDLER = rules.matches(r"\S+", 1, 128, "no white space")


class _Logging(Block):
    """How a function logs; the group that Lambda chooses for it is not told."""

    def told(self, value: Any, given: Mapping[str, Any] | None) -> Properties:
        known = {name: each for name, each in value.items() if name != "LogGroup" or "logGroup" in (given or {})}
        return super().told(known, given)


_LOGGING = {
    "logFormat": Text(("Text", "JSON"), required=True),
    "logGroup": Text(),
    "applicationLogLevel": Text(("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"), implied="INFO"),
    "systemLogLevel": Text(("DEBUG", "INFO", "WARN"), implied="INFO"),
}

# What is part of a published version, as is the code; the rest belongs to the function.
_CONFIGURATION: Mapping[str, Property] = {
    "role": Text(required=True, rules=(_ROLE,)),
    "handler": Text(required=True, rules=(_HANDLER,)),
    "runtime": Text(required=True),
    "description": _DESCRIPTION,
    "timeout": Integer(1, 900, default=3),
    "memorySize": Integer(128, 10240, default=128),
    "environment": Block({"variables": MapOf(Text(), rules=(_environment_variables,))}, implied={"variables": {}}),
    "deadLetterConfig": Block({"targetArn": Text(required=True)}, implied={"targetArn": ""}),
    "tracingConfig": Block({"mode": Text(("Active", "PassThrough"), required=True)}, implied={"mode": "PassThrough"}),
    "loggingConfig": _Logging(_LOGGING, implied={"logFormat": "Text"}),
    "ephemeralStorage": Block({"size": Integer(512, 10240, required=True)}, implied={"size": 512}),
}
_CONCURRENCY = ("put_function_concurrency", "delete_function_concurrency")
_CODE = frozenset({"code", "architectures"})
_VERSIONED = frozenset({*_CONFIGURATION, *_CODE, "publish"})


class Function(Resource, module="lambda"):
    """A function whose code is a zip archive."""

    properties: ClassVar = {
        "name": Name(r"[a-zA-Z0-9_-]+", 1, 64, "letters, digits, - and _ are allowed", api="FunctionName"),
        "code": ArchiveFile(required=True, apart=True),
        **_CONFIGURATION,
        "architectures": ListOf(Text(("x86_64", "arm64")), most=1, default=["x86_64"]),
        "reservedConcurrentExecutions": Integer(minimum=-1, default=-1, apart=True, by=_CONCURRENCY),
        "packageType": Text(("Zip",), default="Zip", replaces=True),
        "publish": Flag(default=False, readable=False),
        "tags": TAG_MAP,
    }
    outputs: ClassVar = {
        "arn": "FunctionArn",
        "codeSha256": "CodeSha256",
        "sourceCodeHash": "CodeSha256",
        "sourceCodeSize": "CodeSize",
        "lastModified": "LastModified",
        **dict.fromkeys(("invokeArn", "version", "qualifiedArn", "qualifiedInvokeArn"), ""),
    }
    calls = Calls("FunctionName", remove="delete_function")
    tagging = Tagging(owner="Resource", by_arn=True, read="list_tags")
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
        code = {"ZipFile": zipped(inputs["code"])}
        self.api.create_function(Code=code, Publish=inputs["publish"], **self.request(inputs))
        return str(inputs["name"])

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Wait until the function is active, and reserve its concurrency."""
        self._wait(identifier)
        super().complete(identifier, inputs)

    def live(self, identifier: str) -> Properties:
        """Read the function; code that was changed by others is told as no code."""
        function = self.api.get_function(FunctionName=identifier)["Configuration"]
        arn = function["FunctionArn"]
        version = self._latest_version(identifier) if self.known.get("publish") else "$LATEST"
        changed = self.known.get("codeSha256") not in (None, function["CodeSha256"])
        concurrency = self.api.get_function_concurrency(FunctionName=identifier)
        return {
            **self.told({**function, **concurrency}),
            "code": None if changed else self.known.get("code"),
            "invokeArn": _invoke_arn(self.region, arn),
            "version": version,
            "qualifiedArn": f"{arn}:{version}",
            "qualifiedInvokeArn": _invoke_arn(self.region, f"{arn}:{version}"),
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Update code and configuration one after the other, then publish the version that both make."""
        if change.touches(*_CODE):
            code = zipped(change.news["code"])
            self.api.update_function_code(
                FunctionName=identifier, ZipFile=code, Architectures=change.news["architectures"]
            )
            self._wait(identifier)
        if configuration := self.request(change.news, change.names & set(_CONFIGURATION)):
            self.api.update_function_configuration(FunctionName=identifier, **configuration)
            self._wait(identifier)
        if change.news["publish"] and change.touches(*_VERSIONED):
            self.api.publish_version(FunctionName=identifier)
        if change.touches("reservedConcurrentExecutions"):
            self.put_alone(identifier, "reservedConcurrentExecutions", change.news["reservedConcurrentExecutions"])

    def _latest_version(self, name: str) -> str:
        listed = self.pages("list_versions_by_function", FunctionName=name)
        versions = [version["Version"] for version in listed["Versions"]]
        return max((each for each in versions if each.isdigit()), key=int, default="$LATEST")

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


class Alias(Resource, module="lambda"):
    """A name for a function's version, or for two by weight: which MiniStack records, and invokes the first alone.

    Its id is its ARN.
    """

    properties: ClassVar = {
        "functionName": Text(required=True, replaces=True),
        "name": Name(r"(?![0-9]+$)[a-zA-Z0-9_-]+", 1, 128, "letters, digits, - and _, not digits alone"),
        "functionVersion": Text(required=True, rules=(_VERSION,)),
        "description": _DESCRIPTION,
        "routingConfig": Block(
            {"additionalVersionWeights": MapOf(Number(0, 1))}, implied={"additionalVersionWeights": {}}
        ),
    }
    outputs: ClassVar = {"arn": "AliasArn", "invokeArn": ""}
    calls = Calls(create="create_alias", made="AliasArn", read="get_alias", remove="delete_alias")
    keys = ("functionName", "name")

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse weights but those of one published version beside another.

        https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
        """
        match inputs:
            case {"functionVersion": first, "routingConfig": {"additionalVersionWeights": {**weights}}} if weights:
                if len(weights) > 1 or first in weights or "$LATEST" in (first, *weights):
                    yield Refusal("routingConfig", "weights are of one published version beside another")

    def live(self, identifier: str) -> Properties:
        told = super().live(identifier) or {}
        return {**told, "functionName": self.known["functionName"], "invokeArn": _invoke_arn(self.region, identifier)}

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        self.api.update_alias(**self.place(identifier), **self.request(change.news, change.names))


class FunctionRecursionConfig(Setting, module="lambda"):
    """Whether Lambda stops a function that invokes itself again and again, by way of a queue or a topic.

    It is the function's and not its versions'. A function always has one: `Terminate`, unless it was told otherwise.
    https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionRecursionConfig.html
    """

    properties: ClassVar = {
        "functionName": Text(required=True, replaces=True),
        "recursiveLoop": Text(("Allow", "Terminate"), required=True),
    }
    of = "functionName"
    calls = Calls("FunctionName", create="put_function_recursion_config", read="get_function_recursion_config")

    def remove(self, identifier: str) -> None:
        """Go back to what Lambda gives a new function, as the AWS provider does."""
        self.put(identifier, {"functionName": identifier, "recursiveLoop": "Terminate"})


class Permission(Resource, module="lambda"):
    """Who may invoke a function: a statement of its policy, which can be put and removed but not changed."""

    properties: ClassVar = {
        "action": Text(required=True, replaces=True),
        "function": Text(required=True, replaces=True, api="FunctionName"),
        "principal": Text(required=True, replaces=True),
        "qualifier": Text(replaces=True),
        "sourceArn": Text(replaces=True),
        "sourceAccount": Text(replaces=True, rules=(_ACCOUNT,)),
        "statementId": Name(r"[a-zA-Z0-9_-]+", 1, 100, "letters, digits, - and _ are allowed"),
    }
    calls = Calls(create="add_permission", remove="remove_permission")
    keys = ("function", "qualifier", "statementId")

    def live(self, identifier: str) -> Properties | None:
        place = self.place(identifier)
        del place["StatementId"]
        statements = json.loads(self.api.get_policy(**place)["Policy"])["Statement"]
        statement = next((each for each in statements if each.get("Sid") == identifier), None)
        if statement is None:
            return None
        conditions = {
            key.lower(): value for each in statement.get("Condition", {}).values() for key, value in each.items()
        }
        return {
            **{name: self.known.get(name) for name in self.keys},
            "action": statement["Action"],
            "principal": _principal(statement["Principal"], self.known.get("principal", "")),
            "sourceArn": conditions.get("aws:sourcearn"),
            "sourceAccount": conditions.get("aws:sourceaccount"),
        }


def _principal(told: Any, recorded: str) -> str:
    principal = told if isinstance(told, str) else str(next(iter(told.values())))
    # AWS tells an account as the ARN of its root: https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html
    return recorded if recorded and principal == f"arn:aws:iam::{recorded}:root" else principal
