"""A stack's configuration as a frozen typed object, read in one place per project.

A project describes its keys once, as fields of a `StackConfig`; `load` fills it from `Pulumi.<env>.yaml`. What is
wrong there stops the program before any resource is registered, in a sentence that names the file, the key and the fix.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

import pulumi
from pulumi.runtime import config as runtime_config
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pipeline_common.environments import Environment

__all__ = ["StackConfig", "StackConfigError", "current_environment", "load", "stack_file"]

SHARED_NAMESPACES = ("aws", "tags")
"""What every stack is configured by beside its project's own settings, as `aws_provider` reads them."""

READ_ELSEWHERE: Mapping[str, Sequence[str]] = {
    # https://github.com/pulumi/pulumi, v3.259.0: autonaming/config.go, default_providers.go, project.go,
    # newcmd/config.go
    "pulumi": ("autonaming", "disable-default-providers", "tags", "template"),
    "pipeline": ("environmentSuffix", "permissionsBoundary"),
}
"""The settings of Pulumi's own namespace, and those that hold for every project, which no project reads itself."""


class StackConfigError(pulumi.RunError):
    """The stack's configuration is not what the program needs; the message says which key, where, and what to write.

    A RunError, so that Pulumi prints the message without a traceback.
    """


class StackConfig(BaseModel):
    """Base of the typed configurations: frozen, camelCase keys, unknown keys refused.

    Give each field a description, and `examples` whose first is what an error suggests to write. A validator's message
    does not repeat the value, which may be secret.
    """

    MOVED: ClassVar[Mapping[str, str]] = {}
    """Settings that a former release had here, and what each is called now, with its namespace."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=False)


Config = TypeVar("Config", bound=StackConfig)


def current_environment() -> Environment:
    """Return the environment, or the instance, that the running stack is named after.

    Raises StackConfigError for a stack that is not named as one.
    """
    name = pulumi.get_stack()
    try:
        return Environment.parse(name)
    except ValueError as error:
        raise StackConfigError(
            f"Stack {name!r} is not named as a stack of the pipeline, <environment> or <environment>-<suffix>: {error}"
        ) from None


def load(model: type[Config], namespace: str | None = None) -> Config:
    """Read the stack's configuration of one namespace, the project's own unless another is named.

    Raises StackConfigError, naming every key that is missing, unknown or of the wrong kind, and every one that belongs
    to no namespace which anybody reads.
    """
    namespace = namespace or pulumi.get_project()
    # pulumi.Config answers for a key whose name is known; refusing unknown ones needs all of them.
    stored = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
    sentences, prefix = _strangers(stored), f"{namespace}:"
    try:
        own = {key.removeprefix(prefix): _decoded(value) for key, value in stored.items() if key.startswith(prefix)}
        loaded = model.model_validate(own)
    except ValidationError as error:
        sentences += [_sentence(model, namespace, one) for one in _told(error.errors(include_url=False))]
    if sentences:
        raise StackConfigError("\n".join(f"{stack_file()}: {sentence}" for sentence in sentences))
    return loaded


def stack_file() -> str:
    """Return where the running stack's configuration stands, from the repository's root."""
    environment, _, _ = pulumi.get_stack().partition("-")
    return f"projects/{pulumi.get_project()}/Pulumi.{environment}.yaml"


def _strangers(stored: Iterable[str]) -> list[str]:
    """Say of each key that nobody reads it, and which one was meant."""
    known = [pulumi.get_project(), *SHARED_NAMESPACES, *READ_ELSEWHERE]
    sentences = []
    for key in stored:
        namespace, _, name = key.partition(":")
        if namespace not in known:
            read_here = ", ".join(f"{each}:" for each in known)
            meant = difflib.get_close_matches(namespace, known, n=1)
            instead = f"did you mean {meant[0]}:{name}?" if meant else f"remove it ({read_here} are read here)."
            sentences.append(f"{key} is not a setting; {instead}")
        elif name not in READ_ELSEWHERE.get(namespace, (name,)):
            sentences.append(f"{key} is not a setting; {_suggestion(READ_ELSEWHERE[namespace], name)}")
    return sentences


def _decoded(value: Any) -> Any:
    """Return a setting's value: all are strings, except that an object or a list arrives as JSON."""
    if isinstance(value, str) and value.startswith(("[", "{")):
        with suppress(ValueError):
            return json.loads(value)
    return value


def _told(errors: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Leave out that a list is too short where that is so because its entries were refused."""
    for error in errors:
        within = [other for other in errors if other is not error and other["loc"][: len(error["loc"])] == error["loc"]]
        if error["type"] != "too_short" or not within:
            yield error


def _sentence(model: type[StackConfig], namespace: str, error: ErrorDetails) -> str:
    path = [part for part in error["loc"] if part != "[key]"]  # which stands behind a mapping's key that is wrong
    key = _written(namespace, path)
    owner, field = _find(model, path)
    if moved := owner.MOVED.get(str(path[-1]) if path else ""):
        return f"{key} is not a setting any more; set {moved} instead, in projects/{moved.partition(':')[0]}."
    if error["type"] == "extra_forbidden":
        return f"{key} is not a setting; {_suggestion(list(_by_alias(owner)), str(path[-1]))}"
    meaning = f" ({field.description})" if field and field.description else ""
    example = f"; write for example `{_example(namespace, path, field)}`" if field and field.examples else ""
    if error["type"] == "missing":
        return f"{key} is missing{meaning}{example or '; add it'}."
    reason = _reason(error)
    if field is None and isinstance(error["input"], dict):  # a rule between several keys, whose message names them
        return f"{key}: {reason}." if path else f"{reason}."
    if runtime_config.is_config_secret(_written(namespace, path[:1])):
        return f"{key} is not right, and secret{meaning}: {reason}{example}."
    return f"{key} is {error['input']!r}{meaning}: {reason}{example}."


def _reason(error: ErrorDetails) -> str:
    """Say in YAML's words, not in Python's, what is wrong with a value."""
    if error["type"] == "tuple_type":
        return "it should be a list"
    if error["type"] in {"model_type", "dict_type"}:
        return "it should be a mapping"
    said = error["msg"].removeprefix("Value error, ").rstrip(".").replace("Input should", "it should")
    return said.replace("Tuple should", "it should").partition(" after validation")[0]


def _written(namespace: str, path: Iterable[int | str]) -> str:
    """Return the key as YAML writes it, such as `replication:targets[0].maxConcurrency`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return f"{namespace}:{''.join(parts).removeprefix('.')}"


def _find(model: type[StackConfig], path: Iterable[int | str]) -> tuple[type[StackConfig], FieldInfo | None]:
    """Return the model that the path's last name belongs to, and its field where there is one."""
    owner, field = model, None
    for part in path:
        if isinstance(part, int):
            continue
        if field is not None:
            owner = _nested(field.annotation) or owner
        field = _by_alias(owner).get(part)
    return owner, field


def _nested(annotation: Any) -> type[StackConfig] | None:
    if isinstance(annotation, type) and issubclass(annotation, StackConfig):
        return annotation
    return next(filter(None, map(_nested, getattr(annotation, "__args__", ()))), None)


def _by_alias(model: type[StackConfig]) -> Mapping[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _suggestion(known: Sequence[str], name: str) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"remove it (the settings are {', '.join(known)})."


def _example(namespace: str, path: Sequence[int | str], field: FieldInfo) -> str:
    example = (field.examples or [None])[0]
    # The field's own key: where one of a list's entries is refused, the example is a whole list.
    own = path[: max(place for place, part in enumerate(path, start=1) if isinstance(part, str))]
    return f"{_written(namespace, own)}: {example if isinstance(example, str) else json.dumps(example)}"
