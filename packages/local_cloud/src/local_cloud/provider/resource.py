"""What a resource type is: its declared inputs and outputs, and how the API creates, reads, changes and deletes one."""

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from local_cloud.provider import rules
from local_cloud.provider.schema import MapOf, Properties, Property, Refusal, Text
from local_cloud.provider.session import Session

__all__ = [
    "DEFAULTS",
    "TAGS",
    "RefusedError",
    "Resource",
    "ResourceUpdate",
    "Setting",
    "Tagging",
    "absent_is_fine",
    "camel",
    "found",
    "pascal",
    "tag_list",
    "tag_map",
    "wait_until",
]

_PATIENCE = 60.0
_PAUSE = 0.05

# What a cloud that is not AWS may say where AWS has an error of its own for what is not there.
_VAGUE_CODES = frozenset({"InvalidParameterValue", "ValidationError", "Validation"})
_SAYS_ABSENT = re.compile(r"does not exist|not found", re.IGNORECASE)

DEFAULTS = "__defaults"
"""The inputs that the provider gave, by name, kept with the inputs as the AWS provider keeps them."""

TAGS = Property(kind=MapOf(Text()), rules=(rules.tags,))
"""The tags of a type that has them; the provider's default tags are merged in, as the AWS provider does in Check."""


class RefusedError(Exception):
    """An operation that AWS would refuse, or that this stand-in cannot do; the message says which and why."""


@dataclass(frozen=True)
class ResourceUpdate:
    """An update in place: the inputs before and after, and the names of those that differ."""

    olds: Mapping[str, Any]
    news: Mapping[str, Any]
    names: frozenset[str]

    def touches(self, *names: str) -> bool:
        """Tell whether any of the inputs differs."""
        return not self.names.isdisjoint(names)

    def tags(self) -> tuple[dict[str, str], list[str]]:
        """Return the tags to set and the keys of those to remove."""
        olds, news = self.olds.get("tags") or {}, self.news.get("tags") or {}
        return {key: value for key, value in news.items() if olds.get(key) != value}, [
            key for key in olds if key not in news
        ]


def tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Return the tags as most AWS APIs take them."""
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """By which calls a type's tags are changed, and what their parameters are called."""

    owner: str
    by_arn: bool = False
    """What is tagged is named by its ARN, and not by its id."""
    put: str = "tag_resource"
    remove: str = "untag_resource"
    tags: str = "Tags"
    keys: str = "TagKeys"
    written: Callable[[Mapping[str, str]], Any] = tag_list
    """How the API takes tags."""
    unwritten: Callable[[list[str]], Any] = list
    """How it takes the keys of those to remove."""

    def change(self, api: Any, owner: str, change: ResourceUpdate) -> None:
        """Put the tags that differ, and remove those that are no more wanted."""
        wanted, unwanted = change.tags()
        if unwanted:
            getattr(api, self.remove)(**{self.owner: owner, self.keys: self.unwritten(unwanted)})
        if wanted:
            getattr(api, self.put)(**{self.owner: owner, self.tags: self.written(wanted)})


class Resource(ABC):
    """A resource type. One object serves one operation; the API client is the one of the resource's region."""

    type_name: ClassVar[str]
    """The type's token in the AWS provider."""
    service: ClassVar[str]
    """The API's name, as botocore calls it."""
    properties: ClassVar[Mapping[str, Property]]
    """The inputs; any other is refused."""
    outputs: ClassVar[tuple[str, ...]] = ()
    """What AWS tells beside the inputs."""
    renewed: ClassVar[Mapping[str, frozenset[str]]] = {}
    """The outputs that an update may change, each with the inputs whose change does it."""
    gone: ClassVar[tuple[str, ...]] = ()
    """The codes by which the API says that there is no such resource."""
    tagging: ClassVar[Tagging | None] = None
    """How tags are changed, where that takes calls of their own."""
    regional: ClassVar[bool] = True
    """The type has the `region` input."""

    def __init__(self, session: Session, region: str, known: Mapping[str, Any], warn: Callable[[str], None]) -> None:
        self.session = session
        self.region = region
        self.known = known
        """What is recorded: for what the API doesn't tell, and where the id alone doesn't find the resource."""
        self.warn = warn

    @classmethod
    def declared(cls) -> Mapping[str, Property]:
        """Return all inputs, `region` among them where the type has it."""
        return {**cls.properties, "region": _REGION} if cls.regional else cls.properties

    @classmethod
    def deletes_first(cls, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
        """Tell whether a replacement needs the old one gone: what the program names can't be there twice."""
        made = news.get(DEFAULTS, ())
        return any(
            declared.naming is not None and name not in made and olds.get(name) == news.get(name)
            for name, declared in cls.properties.items()
        )

    @cached_property
    def api(self) -> Any:
        """The API's client."""
        return self.session.client(self.service, self.region)

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:  # noqa: ARG002
        """Yield what is wrong with the inputs together; any may be missing or unknown."""
        yield from ()

    @abstractmethod
    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the resource by one call of the API and return its id."""

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:  # noqa: B027
        """Make the calls that must follow the creation; if one fails, the engine knows the resource all the same."""

    def read(self, identifier: str) -> Properties | None:
        """Return inputs and outputs as the API tells them now, or None if the resource is gone."""
        told: Properties | None = found(self.live, *self.gone, identifier=identifier)
        return told

    def live(self, identifier: str) -> Properties | None:
        """Return what `read` does; a ClientError with a code of `gone` says that there is nothing, too."""
        raise NotImplementedError

    def apply(self, identifier: str, change: ResourceUpdate) -> None:
        """Make the change in place: the tags by their own calls, all else by `update`."""
        if change.names - ({"tags"} if self.tagging else set()):
            self.update(identifier, change)
        if self.tagging and change.touches("tags"):
            self.tagging.change(self.api, self._own_arn(identifier) if self.tagging.by_arn else identifier, change)

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Make the change in place, by the calls that it needs and no others."""
        raise RefusedError(
            f"{self.type_name} {identifier}: {', '.join(sorted(change.names))} cannot be changed in place"
        )

    def delete(self, identifier: str) -> None:
        """Delete the resource; that it is gone already is fine."""
        with absent_is_fine(*self.gone):
            self.remove(identifier)

    def remove(self, identifier: str) -> None:
        """Delete the resource; a ClientError with a code of `gone` says that it was gone."""
        raise NotImplementedError

    def _own_arn(self, identifier: str) -> str:
        # What could not be completed is recorded without it.
        return str(self.known.get("arn") or (self.read(identifier) or {})["arn"])


class Setting(Resource):
    """What something that is there already is told, always all of it; its id is that thing's."""

    of: ClassVar[str]
    """The input that names the thing."""

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put it."""
        self.put(inputs[self.of], inputs)
        return str(inputs[self.of])

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Put it anew."""
        self.put(identifier, change.news)

    @abstractmethod
    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Have the API take the inputs."""


_REGION = Property(kind=Text(), replaces=True, readable=False)


@contextmanager
def absent_is_fine(*codes: str) -> Iterator[None]:
    """Let the API's errors with these codes pass: what was to be removed is not there."""
    try:
        yield
    except ClientError as error:
        if not _says_absent(error, codes):
            raise


def found(call: Callable[..., Any], *codes: str, **parameters: Any) -> Any:
    """Return the call's answer, or None where it fails with one of the codes that say there is nothing."""
    try:
        return call(**parameters)
    except ClientError as error:
        if not _says_absent(error, codes):
            raise
        return None


def _says_absent(error: ClientError, codes: tuple[str, ...]) -> bool:
    """Tell whether the error is one of these that AWS documents, or what another cloud says in its place.

    An error has two spellings: the exception's name, and the code of the query protocol, which may lack the ending
    (https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsqueryerror-trait). A parameter that
    is wrong since what it names does not exist is the same, too: the calls that are asked this name what they look for,
    and were built from what the provider has recorded.
    """
    told = error.response.get("Error", {})
    code = _stem(told.get("Code", ""))
    vaguely = code in _VAGUE_CODES and _SAYS_ABSENT.search(told.get("Message", "")) is not None
    return vaguely or code in map(_stem, codes)


def _stem(code: str) -> str:
    return code.removesuffix("Exception")


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Return once it is so; raises RefusedError, saying `what` did not come about, after a minute."""
    deadline = time.monotonic() + _PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise RefusedError(f"after {_PATIENCE:.0f} s it is not so that {what}")
        time.sleep(_PAUSE)


def pascal(value: Any) -> Any:
    """Return the value with the names of its blocks written as most AWS APIs write them: `targetArn` as `TargetArn`."""
    return _renamed(value, lambda name: name[:1].upper() + name[1:])


def camel(value: Any) -> Any:
    """Return the value with the names of its blocks written as Pulumi writes them: `TargetArn` as `targetArn`."""
    return _renamed(value, lambda name: name[:1].lower() + name[1:])


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    match value:
        case Mapping():
            return {rename(name): _renamed(item, rename) for name, item in value.items() if item is not None}
        case list():
            return [_renamed(item, rename) for item in value]
        case _:
            return value


def tag_map(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """Return the tags as Pulumi has them."""
    return {tag["Key"]: tag["Value"] for tag in tags or []}
