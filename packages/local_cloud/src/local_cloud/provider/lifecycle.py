"""A resource's life as the engine asks for it: check, diff, create, read, update, delete. Knows no gRPC and no type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_cloud.provider.registry import RESOURCES
from local_cloud.provider.resource import DEFAULTS, RefusedError, Resource, ResourceUpdate
from local_cloud.provider.schema import Block, Name, NamingError, Properties, Refusal, is_absent
from local_cloud.provider.session import Session
from local_cloud.provider.wire import UNKNOWN

__all__ = ["Created", "IncompleteError", "InputDifference", "Lifecycle", "UnknownTypeError"]


class UnknownTypeError(LookupError):
    """The stand-in does not implement the resource type."""


class IncompleteError(Exception):
    """The resource exists, but a call that must follow its creation or update failed."""

    def __init__(self, created: "Created", inputs: Mapping[str, Any], reason: str) -> None:
        super().__init__(reason)
        self.created = created
        self.inputs = inputs


@dataclass(frozen=True)
class Created:
    """A resource's id and all its properties."""

    identifier: str
    state: Properties


@dataclass(frozen=True)
class InputDifference:
    """What differs between two sets of inputs."""

    changed: tuple[str, ...]
    added: frozenset[str]
    removed: frozenset[str]
    replaces: frozenset[str]
    delete_first: bool
    """The old one must be deleted before a new one can have its name."""


class Lifecycle:
    """Carries out what the engine asks for, on resources of one type; raises UnknownTypeError for any other token."""

    def __init__(self, token: str, session: Session, warn: Callable[[str], None]) -> None:
        if token not in RESOURCES:
            message = "the local stand-in for the aws provider does not implement the resource type"
            raise UnknownTypeError(f"{message} {token!r}")
        self._type = RESOURCES[token]
        self._session = session
        self._warn = warn

    def check(
        self,
        name: str,
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
        seed: bytes,
        proposed: str | None = None,
    ) -> tuple[Properties, list[Refusal]]:
        """Return the inputs with the defaults, default tags and names filled in, and what is refused in them.

        A name made before is kept; `proposed` is the engine's name for a new one.
        """
        refusals: list[Refusal] = []
        given = {key: value for key, value in news.items() if key != DEFAULTS and value is not None}
        made: Properties = {}
        for key, declared in self._type.declared().items():
            try:
                if key == "region" and key not in given:
                    made[key] = self._session.settings.region
                elif isinstance(declared, Name) and key not in given:
                    kept = olds.get(key) if key in olds.get(DEFAULTS, ()) else None
                    made[key] = kept or declared.make(name, seed, proposed)
            except NamingError as error:
                refusals.append(Refusal(key, str(error)))
        given = self._tagged(given)
        inputs = Block(self._type.declared()).settle(given | made, "", refusals)
        defaulted = sorted(key for key in inputs if key not in news or key in made)
        if not refusals:
            refusals.extend(self._resource(inputs).check(inputs))
        return {**inputs, DEFAULTS: defaulted}, refusals

    def diff(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> InputDifference:
        """Compare two sets of checked inputs by what they mean to AWS."""
        declared = self._type.declared()
        changed = tuple(name for name, each in declared.items() if not each.same(olds.get(name), news.get(name)))
        return InputDifference(
            changed=changed,
            added=frozenset(name for name in changed if is_absent(olds.get(name))),
            removed=frozenset(name for name in changed if is_absent(news.get(name))),
            replaces=frozenset(name for name in changed if declared[name].replaces),
            delete_first=self._type.deletes_first(olds, news),
        )

    def create(self, inputs: Mapping[str, Any], *, preview: bool) -> Created:
        """Create the resource; a preview only tells its properties, unknown where AWS would choose them.

        Raises IncompleteError when the resource exists but could not be completed.
        """
        given = _plain(inputs)
        resource = self._resource(given)
        if preview:
            return Created("", {**dict.fromkeys(resource.outputs, UNKNOWN), **_recorded(resource, given)})
        identifier = resource.create(given)
        try:
            resource.complete(identifier, given)
            return Created(identifier, _state(resource, identifier, given))
        except Exception as error:
            raise IncompleteError(Created(identifier, given), inputs, str(error)) from error

    def read(
        self, identifier: str, inputs: Mapping[str, Any], state: Mapping[str, Any]
    ) -> tuple[Properties, Properties] | None:
        """Return the inputs and the state as AWS has them now, or None if the resource is gone.

        An input whose meaning is unchanged keeps the form in which it was recorded. What a program only reads has no
        inputs, but the properties that it was asked for by.
        """
        if not inputs and not state:
            raise RefusedError(
                f"{self._type.type_name} {identifier}: the local stand-in imports nothing, it reads what it created"
            )
        recorded = _plain(inputs or state)
        resource = self._resource(recorded, state)
        live = resource.read(identifier)
        if live is None:
            return None
        current = _reconciled(resource, recorded, live)
        return {**current, DEFAULTS: inputs.get(DEFAULTS, [])}, _merged(resource, current, live)

    def update(
        self,
        identifier: str,
        state: Mapping[str, Any],
        olds: Mapping[str, Any],
        news: Mapping[str, Any],
        *,
        preview: bool,
    ) -> Properties:
        """Change the resource from the old inputs to the new ones, and return its properties."""
        given = _plain(news)
        resource = self._resource(given, state)
        difference = self.diff(olds, news)
        if preview:
            stale = {name for name, causes in resource.renewed.items() if not causes.isdisjoint(difference.changed)}
            foreseen = {name: UNKNOWN if name in stale else state.get(name) for name in resource.outputs}
            return {**foreseen, **_recorded(resource, given)}
        if not difference.changed:
            # Without a change the engine asks for an update of what could not be completed: it is compared with what
            # is really there.
            olds = _reconciled(resource, given, resource.read(identifier) or {})
            difference = self.diff(olds, given)
        resource.apply(identifier, ResourceUpdate(_plain(olds), given, frozenset(difference.changed)))
        return _state(resource, identifier, given)

    def delete(self, identifier: str, inputs: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Delete the resource; that it is gone already is fine."""
        self._resource(_plain(inputs), state).delete(identifier)

    def _resource(self, given: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> Resource:
        region = given.get("region") or (state or {}).get("region")
        region = region if isinstance(region, str) else self._session.settings.region
        return self._type(self._session, region, given, self._warn, state)

    def _tagged(self, given: Properties) -> Properties:
        own = given.get("tags", {})
        if "tags" not in self._type.properties or not isinstance(own, Mapping):
            return given
        tags = {**self._session.settings.default_tags, **own}
        return {**given, "tags": tags} if tags else given


def _plain(inputs: Mapping[str, Any]) -> Properties:
    return {name: value for name, value in inputs.items() if name != DEFAULTS}


def _recorded(resource: Resource, inputs: Mapping[str, Any]) -> Properties:
    return {**inputs, **({"tagsAll": inputs.get("tags", {})} if "tags" in resource.properties else {})}


def _merged(resource: Resource, inputs: Mapping[str, Any], live: Mapping[str, Any]) -> Properties:
    told = {name: value for name, value in live.items() if value is not None and name not in inputs}
    return {**told, **_recorded(resource, inputs)}


def _state(resource: Resource, identifier: str, given: Mapping[str, Any]) -> Properties:
    live = resource.read(identifier)
    if live is None:
        raise RefusedError(f"{resource.type_name} {identifier} is not there right after it was written")
    return _merged(resource, given, live)


def _reconciled(resource: Resource, recorded: Mapping[str, Any], live: Mapping[str, Any]) -> Properties:
    current: Properties = {}
    for name, declared in resource.declared().items():
        before, now = recorded.get(name), live.get(name)
        kept = not declared.readable or (declared.computed and before is None)
        value = before if kept or declared.same(before, now) else now
        if not declared.says_nothing(value):
            current[name] = value
    return current
