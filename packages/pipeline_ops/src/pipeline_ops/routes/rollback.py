"""A route's way back to a former version of its function: code, route and policy together."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline_common.holds import Hold
from pipeline_common.release import NEVER_RELEASED, Version, version_described
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.history import ROLLBACK, DeployRecord, History
from pipeline_ops.live_aliases import route_function
from pipeline_ops.routes.route import Route, SourceRoutes, explained

__all__ = ["LiveVersions", "PublishedVersion", "move_live_alias", "read_versions", "roll_back"]


_NAMED = 10
"""Versions that a sentence names, of the hundreds that there may be."""


@dataclass(frozen=True)
class PublishedVersion:
    """A version of a function as Lambda keeps it: it never changes, and nothing here deletes it."""

    number: int
    release: Version | None = None
    """As its description tells it; None where that tells none."""

    def __str__(self) -> str:
        return f"{self.release} ({self.number})" if self.release else f"version {self.number}"


@dataclass(frozen=True, kw_only=True)
class LiveVersions:
    """The versions that a route's function has, and the one that its live alias is of."""

    target: str
    published: Sequence[PublishedVersion]
    """The oldest first."""

    live: PublishedVersion
    shared: PublishedVersion | None = None
    """The newer one that has a part of the invocations; None where all go to the live one."""

    recorded: str
    """The version that the stack's state tells; empty where a former release deployed it."""

    @property
    def newest(self) -> PublishedVersion:
        """The one that was deployed last, whatever part of the invocations it has."""
        return self.shared or self.live

    @property
    def is_recorded(self) -> bool:
        """Whether the state tells the version that is live, so that the next deploy goes on from there."""
        return self.recorded in {"", str(self.live.number)}

    def chosen(self, asked: str | None, before: str | None) -> PublishedVersion:
        """Return the version that is asked for, by its number or its release; else the one that was live before.

        `before` is that of which the history tells. Where it tells of none that is there, it is the highest below the
        live one. Where the state tells a later one than is live, a rollback was cut off, and is to be finished. Raises
        OperatorError where there is none.
        """
        if asked is not None:
            return self._asked(asked)
        if self.shared is not None:
            return self.live
        if not self.is_recorded and self.live.number < int(self.recorded):
            return self.live
        former = [each for each in self.published if each.number < self.live.number]
        named = [each for each in former if str(each.number) == before]
        if not former:
            raise OperatorError(
                f"The route to {self.target} has nothing to go back to: {self.live} is the first version of its "
                "function."
            )
        return (named or former)[-1]

    def found_bad(self, chosen: PublishedVersion, *more: Version) -> Version:
        """Return the newest release that the route is put back from; `more` are those that it was put back from.

        It may be there already, by a rollback that was cut off before the state was told: then it is the newest one.
        """
        now = {self.live, self.shared}
        known = [each for each in self.published if each in now or str(each.number) == self.recorded]
        left = [each for each in known if each != chosen] or self.published[-1:]
        releases = [each.release for each in left if each.release and each != chosen]
        return max((*releases, *more), key=lambda release: release.number, default=NEVER_RELEASED)

    def _asked(self, asked: str) -> PublishedVersion:
        if re.fullmatch(r"[0-9]+", asked):
            found = [each for each in self.published if str(each.number) == asked]
        else:
            found = [each for each in self.published if each.release == _version(asked)]
        if not found:
            raise OperatorError(
                f"The route to {self.target} has no version {asked} to go back to: the newest are "
                f"{', '.join(map(str, self.published[-_NAMED:]))}."
            )
        return found[-1]


def _version(text: str) -> Version:
    try:
        return Version.parse(text)
    except ValueError as error:
        raise OperatorError(
            f"{text!r} is no version: write a number such as 12, or a release such as v1.3.0.", MISUSED
        ) from error


def read_versions(replication: SourceRoutes, route: Route) -> LiveVersions:
    """Ask Lambda for the versions of a route's function."""
    function, client = route.outputs.function_name, replication.client("lambda", region=replication.region)
    with explained(f"The versions of the route to {route.target} can't be looked at"):
        alias = client.get_alias(FunctionName=function, Name=_alias(route))
        pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        told = [each for page in pages for each in page["Versions"] if each["Version"].isdigit()]
    published = sorted(_published(told), key=lambda each: each.number)
    by_number = {str(each.number): each for each in published}
    live = by_number.get(alias["FunctionVersion"])
    if live is None:
        raise OperatorError(
            f"The live alias of the route to {route.target} is of {alias['FunctionVersion']}, which is no published "
            f"version: `{replication.deploy_command}` gives it one."
        )
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    shared = next((by_number[other] for other in weights if other in by_number), None)
    return LiveVersions(
        target=route.target, published=published, live=live, shared=shared, recorded=route.outputs.version
    )


def _published(told: Iterable[dict[str, str]]) -> list[PublishedVersion]:
    return [PublishedVersion(int(each["Version"]), version_described(each.get("Description", ""))) for each in told]


def move_live_alias(replication: SourceRoutes, route: Route, version: PublishedVersion) -> None:
    """Have all invocations of the route go to the version from now on; what has begun is finished by the other."""
    with explained(f"The route to {route.target} can't be moved to {version}"):
        replication.client("lambda", region=replication.region).update_alias(
            FunctionName=route.outputs.function_name,
            Name=_alias(route),
            FunctionVersion=str(version.number),
            RoutingConfig={"AdditionalVersionWeights": {}},
        )


def roll_back(
    replication: SourceRoutes,
    versions: LiveVersions,
    to: PublishedVersion,
    *,
    by: str,
    hold_in_state: Callable[[Hold], None],
    history: History,
    spec: Mapping[str, Any] | None = None,
    why: str = "",
) -> Hold:
    """Put a route back to a version at once, then have the state say that it stays there.

    The history is told the version's specification and why it was put back, where that is known.
    Raises OperatorError, in the second case with what to do, where the alias can't be moved or that can't be recorded.
    """
    route, function = replication.route(versions.target), route_function(versions.target)
    hold = Hold(
        version=str(to.number),
        release=str(to.release or ""),
        from_release=str(versions.found_bad(to, *([route.hold.found_bad] if route.hold else []))),
        by=by,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    move_live_alias(replication, route, to)
    try:
        hold_in_state(hold)
    except OperatorError as error:
        again = replication.where.command("rollback", route.target, hold.version)
        raise OperatorError(
            f"The route to {route.target} is back at {to}, but the state does not tell it yet, and the next deploy "
            f"would undo it: `{again}` once more. {error.args[0]}",
            details=error.details,
        ) from error
    history.append(
        DeployRecord(
            what=ROLLBACK,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            who=by,
            release=hold.release,
            routes=(route.target,),
            before={function: versions.recorded or str(versions.live.number)},
            after={function: hold.version},
            specs={route.target: spec} if spec else {},
            said=why,
        )
    )
    return hold


def _alias(route: Route) -> str:
    return route.outputs.alias_arn.rpartition(":")[2]
