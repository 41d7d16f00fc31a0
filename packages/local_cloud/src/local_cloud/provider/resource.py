"""What a resource type is: its declared inputs and outputs, and how the API creates, reads, changes and deletes one."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from local_cloud.provider import rules
from local_cloud.provider.schema import Block, MapOf, Name, Pairs, Properties, Property, Refusal, Text, is_absent
from local_cloud.provider.session import Session

__all__ = [
    "DEFAULTS",
    "TAGS",
    "TAG_MAP",
    "Calls",
    "RefusedError",
    "Resource",
    "ResourceUpdate",
    "Setting",
    "Tagging",
    "found",
    "wait_until",
]

_PATIENCE = 60.0
_PAUSE = 0.05

_GLOBAL = ("iam",)

_GONE = {
    "cloudtrail": ("TrailNotFoundException",),
    # The first is in https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetDashboard.html, the second
    # in the service's model, as the name of the exception, which is what a JSON protocol tells.
    "cloudwatch": ("ResourceNotFound", "DashboardNotFoundError"),
    "dynamodb": ("ResourceNotFoundException",),
    "events": ("ResourceNotFoundException",),
    "iam": ("NoSuchEntity",),
    "kms": ("NotFoundException", "KMSInvalidStateException"),  # the second of a key that is to be deleted
    "lambda": ("ResourceNotFoundException",),
    "logs": ("ResourceNotFoundException",),
    "s3": (
        *("NoSuchBucket", "404", "NoSuchBucketPolicy", "NoSuchLifecycleConfiguration"),
        *("NoSuchPublicAccessBlockConfiguration", "OwnershipControlsNotFoundError"),
        "ServerSideEncryptionConfigurationNotFoundError",
    ),
    "sns": ("NotFound",),
    "sqs": ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
}

# What a cloud that is not AWS may say where AWS has an error of its own for what is not there.
_VAGUE_CODES = frozenset({"InvalidParameterValue", "ValidationError", "Validation"})
_SAYS_ABSENT = re.compile(r"does not exist|not found", re.IGNORECASE)

DEFAULTS = "__defaults"
"""The inputs that the provider gave, by name, kept with the inputs as the AWS provider keeps them."""

TAGS = Pairs(Text(), "Key", "Value", rules=(rules.tags,))
"""The tags of a type that has them; the provider's default tags are merged in, as the AWS provider does in Check."""

TAG_MAP = MapOf(Text(), rules=(rules.tags,))
"""The same, of an API that takes an object."""


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


@dataclass(frozen=True)
class Calls:
    """The API's operations on a type, where they have the common shape."""

    key: str = ""
    """The parameter that names one by its id; else `Resource.keys` do."""
    create: str = ""
    """Takes all inputs that are not `apart`."""
    made: str = ""
    """What the answer calls the id; else it is the input that names one."""
    read: str = ""
    told: str = ""
    """The answer's member that describes the resource; else all of it does."""
    remove: str = ""


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """By which calls a type's tags are read and changed, and what their parameters are called."""

    owner: str
    by_arn: bool = False
    """What is tagged is named by its ARN, and not by its id."""
    read: str = "list_tags_for_resource"
    put: str = "tag_resource"
    remove: str = "untag_resource"
    tags: str = "Tags"
    keys: str = "TagKeys"


class Resource:
    """A resource type. One object serves one operation; the API client is the one of the resource's region."""

    type_name: ClassVar[str]
    """The type's token in the AWS provider."""
    module: ClassVar[str] = ""
    """The part of the AWS provider that has the type."""
    service: ClassVar[str] = ""
    """The API's name, as botocore calls it, where it is another."""
    properties: ClassVar[Mapping[str, Property]]
    """The inputs; any other is refused."""
    outputs: ClassVar[Mapping[str, str]] = {}
    """What AWS tells beside the inputs, each with the API's name for it; with none where the type makes it itself."""
    renewed: ClassVar[Mapping[str, frozenset[str]]] = {}
    """The outputs that an update may change, each with the inputs whose change does it."""
    calls: ClassVar[Calls] = Calls()
    keys: ClassVar[tuple[str, ...]] = ()
    """The inputs by which the API names one, where it is not the id."""
    tagging: ClassVar[Tagging | None] = None
    """How tags are read and changed, where that takes calls of their own."""
    gone: ClassVar[tuple[str, ...]] = ()
    """The codes by which the API says that there is no such resource."""

    def __init_subclass__(cls, *, module: str = "", service: str = "") -> None:
        cls.module = module or cls.module
        cls.service = service or module or cls.service
        cls.gone = _GONE.get(cls.service, ())
        cls.type_name = f"aws:{cls.module}/{cls.__name__[0].lower()}{cls.__name__[1:]}:{cls.__name__}"

    def __init__(
        self,
        session: Session,
        region: str,
        given: Mapping[str, Any],
        warn: Callable[[str], None],
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.session = session
        self.region = region
        self.given = given
        """The inputs that are recorded."""
        self.known = {**(state or {}), **given}
        """All that is recorded: for what the API doesn't tell, and where the id alone doesn't find the resource."""
        self.warn = warn

    @classmethod
    def declared(cls) -> Mapping[str, Property]:
        """Return all inputs, `region` among them where the API has one."""
        return cls.properties if cls.service in _GLOBAL else {**cls.properties, "region": _REGION}

    @classmethod
    def deletes_first(cls, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
        """Tell whether a replacement needs the old one gone: what the program names can't be there twice."""
        made = news.get(DEFAULTS, ())
        return any(name not in made and olds.get(name) == news.get(name) for name in cls._names())

    @cached_property
    def api(self) -> Any:
        """The API's client."""
        return self.session.client(self.service, self.region)

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Yield what is wrong with the inputs together; any may be missing or unknown."""
        yield from ()

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the resource by one call of the API and return its id."""
        answer = self.ask(self.calls.create, **self.request(inputs))
        return str(answer[self.calls.made] if self.calls.made else inputs[self._names()[0]])

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Make the calls that must follow the creation; if one fails, the engine knows the resource all the same."""
        for name, declared in self.properties.items():
            if declared.apart and declared.by and not declared.same(inputs.get(name), declared.default):
                self.put_alone(identifier, name, inputs.get(name))

    def read(self, identifier: str) -> Properties | None:
        """Return inputs and outputs as the API tells them now, or None if the resource is gone."""
        told: Properties | None = found(self._live_and_tagged, *self.gone, identifier=identifier)
        return told

    def live(self, identifier: str) -> Properties | None:
        """Return what `read` does, less the tags; a ClientError with a code of `gone` says that it is gone, too."""
        answer = self.ask(self.calls.read, **self.place(identifier))
        return self.told(answer[self.calls.told] if self.calls.told else answer)

    def apply(self, identifier: str, change: ResourceUpdate) -> None:
        """Make the change in place: the tags by their own calls, all else by `update`."""
        if self.tagging is None:
            rest = change
        else:
            untagged = {name: value for name, value in change.news.items() if name != "tags"}
            rest = ResourceUpdate(change.olds, untagged, change.names - {"tags"})
        if rest.names:
            self.update(identifier, rest)
        if self.tagging and change.touches("tags"):
            # What could not be completed is recorded without its ARN.
            arn = self.tagging.by_arn and (self.known.get("arn") or (self.read(identifier) or {})["arn"])
            self._retag(self.tagging, arn or identifier, change)

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Make the change in place, by the calls that it needs and no others."""
        alone = [name for name, declared in self.properties.items() if declared.by and name in change.names]
        recorded = [name for name in change.names if not self.properties[name].readable]
        if rest := change.names.difference(alone, recorded):
            raise RefusedError(f"{self.type_name} {identifier}: {', '.join(sorted(rest))} cannot be changed in place")
        for name in alone:
            self.put_alone(identifier, name, change.news.get(name))

    def put_alone(self, identifier: str, name: str, value: Any) -> None:
        """Change one property by its own call; without a value, what AWS chooses by itself stays as it is."""
        declared, place = self.properties[name], self.place(identifier)
        put, *drop = declared.by
        if isinstance(value, bool):
            self.ask(put if value else drop[0], **place)
        elif drop and declared.same(value, declared.default):
            self.ask(drop[0], **place)
        elif value is not None or not declared.computed:
            written = declared.dropped if value is None else declared.written(value)
            self.ask(put, **place, **{declared.api_name(name): written})

    def delete(self, identifier: str) -> None:
        """Delete the resource; that it is gone already is fine."""
        found(self.remove, *self.gone, identifier=identifier)

    def remove(self, identifier: str) -> None:
        """Delete the resource; a ClientError with a code of `gone` says that it was gone."""
        self.ask(self.calls.remove, **self.place(identifier))

    def wait_until_gone(self, identifier: str) -> None:
        """Return once the API finds the resource no more, so that what it needs can go too."""
        place, read = self.place(identifier), getattr(self.api, self.calls.read)
        wait_until(lambda: found(read, *self.gone, **place) is None, f"{self.type_name} {identifier} is gone")

    def ask(self, operation: str, **parameters: Any) -> Properties:
        """Return the API's answer to the operation."""
        answer: Properties = getattr(self.api, operation)(**parameters)
        return answer

    def pages(self, operation: str, **parameters: Any) -> Properties:
        """Return all pages of the API's answer to the operation, joined."""
        answer: Properties = self.api.get_paginator(operation).paginate(**parameters).build_full_result()
        return answer

    def place(self, identifier: str) -> Properties:
        """Return the parameters by which the API names the resource."""
        if self.calls.key:
            return {self.calls.key: identifier}
        return self._written({name: self.known.get(name) for name in self.keys})

    def request(self, inputs: Mapping[str, Any], names: frozenset[str] | None = None) -> Properties:
        """Return the inputs that are given as a call takes them, less those that are `apart`.

        With `names` only these, and where one is no more given, what AWS takes for that.
        """
        if names is None:
            return self._written({name: value for name, value in inputs.items() if not is_absent(value)})
        changed = {name: self.properties[name] for name in names}
        return self._written({name: inputs.get(name, declared.dropped) for name, declared in changed.items()})

    def told(self, answer: Mapping[str, Any]) -> Properties:
        """Return the inputs and outputs that the API's answer tells."""
        outputs = {name: answer.get(theirs) for name, theirs in self.outputs.items() if theirs}
        texts = {name: at.isoformat() if isinstance(at, datetime) else at for name, at in outputs.items()}
        return {**Block(self.properties).told(answer, self.given), **texts}

    def _written(self, values: Mapping[str, Any]) -> Properties:
        written: Properties = Block(self.properties).written(values)
        return written

    def _retag(self, calls: Tagging, owner: str, change: ResourceUpdate) -> None:
        olds, news = change.olds.get("tags") or {}, change.news.get("tags") or {}
        if unwanted := [key for key in olds if key not in news]:
            self.ask(calls.remove, **{calls.owner: owner, calls.keys: unwanted})
        if wanted := {key: value for key, value in news.items() if olds.get(key) != value}:
            self.ask(calls.put, **{calls.owner: owner, calls.tags: self.properties["tags"].written(wanted)})

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name, declared in cls.properties.items() if isinstance(declared, Name)]

    def _live_and_tagged(self, identifier: str) -> Properties | None:
        live, tagging = self.live(identifier), self.tagging
        if live is None or tagging is None or not tagging.read:
            return live
        ask = self.pages if self.api.can_paginate(tagging.read) else self.ask
        answer = ask(tagging.read, **{tagging.owner: live["arn"] if tagging.by_arn else identifier})
        tags = answer.get(tagging.tags)
        return {**live, "tags": self.properties["tags"].told(tags, None) if tags else {}}


class Setting(Resource):
    """What is put whole, whether or not it is there already; its id is that of the thing it belongs to, or its own."""

    of: ClassVar[str] = ""
    """The input that names the thing."""

    def create(self, inputs: Mapping[str, Any]) -> str:
        self.put(str(inputs[self.of]), inputs)
        return str(inputs[self.of])

    def live(self, identifier: str) -> Properties | None:
        live = super().live(identifier)
        return None if live is None else {self.of: identifier, **live}

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        self.put(identifier, change.news)

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Have the API take the inputs."""
        self.ask(self.calls.create, **self.request(inputs))


_REGION = Text(replaces=True, readable=False)


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
