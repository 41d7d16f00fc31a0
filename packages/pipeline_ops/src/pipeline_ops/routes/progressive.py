"""A deploy of the replication route by route: each is deployed, watched and judged before the next one."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pipeline_common.infra.part import Part, Shift
from pipeline_ops.deployed_system import DeployedSystem
from pipeline_ops.deployment import Deployment, Result
from pipeline_ops.errors import INTERRUPTED, OperatorError
from pipeline_ops.history import DONE, FAILED, JUDGED, ROLLBACK, DeployRecord, version_before
from pipeline_ops.live_aliases import route_function
from pipeline_ops.masking.way_back import masking_spec
from pipeline_ops.projects import StackId
from pipeline_ops.releases.versions import checkout_version
from pipeline_ops.report import results_document
from pipeline_ops.routes.deployed_replication import DeployedReplication, replication_in
from pipeline_ops.routes.exercise import mend
from pipeline_ops.routes.judgement import Judgement, Sight
from pipeline_ops.routes.rollback import LiveVersions, PublishedVersion, read_versions, roll_back
from pipeline_ops.routes.route import Route, SourceRoutes
from pipeline_ops.routes.soak import Soak, seen_of
from pipeline_ops.stack_outputs import StackOutputs
from replication_core.aws.clients import read_any_headers

__all__ = ["ProgressiveDeploy", "Rollout"]


@dataclass(kw_only=True)
class Rollout:
    """How far a release came, route by route, and what was seen on the way."""

    results: list[Result] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    back: PublishedVersion | None = None
    """What the last route that was judged was put back to; None where that is well, or there was nothing before it."""

    @property
    def well(self) -> bool:
        """Whether nothing spoke against the release."""
        return all(judgement.well for judgement in self.judgements)

    def exported(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        judged = [judgement.exported() for judgement in self.judgements]
        back = None if self.back is None else str(self.back.number)
        return {**results_document(self.results), "well": self.well, "judgements": judged, "back_at": back}


@dataclass(frozen=True, kw_only=True)
class ProgressiveDeploy:
    """Brings a release to routes, one after the other, and back from the first one where it is not well.

    Run again after it was cut off, it passes over what it has judged well.
    """

    deployment: Deployment
    stack: StackId
    weight: int | None
    """The part of a route's invocations, in percent, that goes to the release while it is watched; None for all."""

    ends_holds: bool
    say: Callable[[str], None]

    def run(self, targets: Sequence[str], *, whole: bool) -> Rollout:
        """Deploy the routes to these targets in their order, then the `whole` stack; stop at what is not well.

        Raises OperatorError where it can't go on.
        """
        rollout = Rollout()
        if self.stack not in self.deployment.deployed():
            self.say(f"{self.stack} is deployed for the first time, and as a whole: there is nothing to go back to.")
            rollout.results.append(self._up(Part()))
            return rollout
        self._require_free(targets)
        for target in targets:
            self._release(target, rollout)
            if not rollout.well:
                return rollout
        if whole:
            rollout.results.append(self._up(Part(ends_holds=self.ends_holds)))
        return rollout

    def _require_free(self, targets: Sequence[str]) -> None:
        """Raise OperatorError, before anything changes, where a route is held that this release does not free."""
        version = checkout_version(self.deployment.projects.repository, self.stack.project)
        routes = self._deployed().replication.routes
        for route in (routes[target] for target in targets if target in routes and not self.ends_holds):
            if (hold := route.hold) and hold.outlasts(version):
                raise OperatorError(
                    f"The route to {route.target} is held at {hold.release or hold.version}, since it was put back "
                    f"from {hold.from_release}, and this release is no newer: deploy a newer one, or add --end-holds."
                )

    def _up(self, part: Part) -> Result:
        return self.deployment.up(self.stack.project, self.stack.environment, part)

    def _release(self, target: str, rollout: Rollout) -> None:
        """Deploy one route, and go back where that is not well."""
        part = Part(routes=(target,), ends_holds=self.ends_holds)
        before, shift = self._before(target)
        rollout.results.append(self._up(replace(part, shift=shift)))
        deployed = self._deployed()
        route = deployed.replication.route(target)
        versions = read_versions(deployed.replication, route)
        self._require_released(deployed.replication, route, versions)
        if self._is_judged_well(deployed, versions):
            self.say(f"The route to {target} was judged well at {versions.newest}.")
        else:
            judgement = self._judged(deployed, route, versions, before)
            rollout.judgements.append(judgement)
            if not judgement.well:
                rollout.back = self._put_back(deployed, route, versions, judgement)
                return
            now = read_versions(deployed.replication, route).newest
            if now != versions.newest:
                raise OperatorError(
                    f"While {versions.newest} was watched, somebody has put the route to {target} back to {now}: the "
                    "deploy ends here, and what comes after that route was not touched."
                )
        if versions.shared is not None:
            rollout.results.append(self._up(part))

    def _deployed(self) -> DeployedReplication:
        """Read the contracts, which each deploy changes."""
        read_any_headers()
        deployment = self.deployment
        outputs = StackOutputs(deployment.projects, deployment.backend, self.say)
        return replication_in(DeployedSystem(deployment.projects, outputs, deployment.clients))

    def _before(self, target: str) -> tuple[Sight, Shift | None]:
        """Return what is seen of a route, and how its invocations are to be shared; of a new route there is neither."""
        deployed = self._deployed()
        route = deployed.replication.routes.get(target)
        if route is None:
            return Sight(), None
        seen = seen_of(deployed.replication, route, deployed.dead_letters, datetime.now(UTC))
        if self.weight is None:
            return seen, None
        live = read_versions(deployed.replication, route).live
        return seen, Shift(former=str(live.number), share=self.weight / 100)

    def _require_released(self, replication: SourceRoutes, route: Route, versions: LiveVersions) -> None:
        """Raise OperatorError where the route is not at what was deployed, which then can't be judged."""
        if versions.newest != versions.published[-1]:
            stays = replication.where.command("rollback", route.target, str(versions.newest.number))
            refresh = replication.where.command("refresh", self.stack.project, self.stack.name)
            raise OperatorError(
                f"The route to {route.target} is at {versions.newest}, and {versions.published[-1]} was deployed: a "
                f"rollback was cut off. `{stays}` has it stay there; `{refresh}` lets the next deploy move it."
            )

    def _is_judged_well(self, deployed: DeployedReplication, versions: LiveVersions) -> bool:
        """Tell whether the route was last judged at this version, and nobody has put it back since."""
        function = route_function(versions.target)
        for record in deployed.history.of_function(function):
            if record.what in {JUDGED, ROLLBACK} and function in record.after:
                judged = (record.what, record.result, record.after[function])
                return judged == (JUDGED, DONE, str(versions.newest.number))
        return False

    def _judged(self, deployed: DeployedReplication, route: Route, versions: LiveVersions, before: Sight) -> Judgement:
        former = self._former(deployed, versions)
        soak = Soak(
            replication=deployed.replication,
            route=route,
            queue=deployed.dead_letters,
            release=route.spec.release,
            version=str(versions.newest.number),
            former=str(former.number) if former else None,
            before=before,
            is_weighted=versions.shared is not None,
        )
        try:
            judgement = soak.run(route.spec.soak_seconds, self.say)
        except KeyboardInterrupt:
            back = deployed.replication.where.command("rollback", route.target)
            raise OperatorError(
                f"Interrupted while the route to {route.target} was watched at {versions.newest}, where it stays: the "
                f"same command goes on, and `{back}` goes back.",
                INTERRUPTED,
            ) from None
        function = route_function(route.target)
        deployed.history.append(
            DeployRecord(
                what=JUDGED,
                at=judgement.begun.isoformat(timespec="milliseconds"),
                who=self.deployment.caller,
                release=judgement.release,
                routes=(route.target,),
                before={function: judgement.former} if judgement.former else {},
                after={function: judgement.version},
                result=DONE if judgement.well else FAILED,
                said="; ".join(judgement.faults),
                seconds=round((judgement.ended - judgement.begun).total_seconds(), 1),
            )
        )
        return judgement

    def _former(self, deployed: DeployedReplication, versions: LiveVersions) -> PublishedVersion | None:
        """Return what the route may go back to by itself, which masks if it masks now; None where there is nothing."""
        function, live = route_function(versions.target), str(versions.live.number)
        with suppress(OperatorError):
            before = version_before(deployed.history.of_function(function), function, live)
            former = versions.chosen(None, before)
            route = deployed.replication.route(versions.target)
            masking_spec(deployed.replication, route, str(former.number), deployed.history)
            return former
        return None

    def _put_back(
        self, deployed: DeployedReplication, route: Route, versions: LiveVersions, judgement: Judgement
    ) -> PublishedVersion | None:
        """Put the route back at once, and have the former version make what the other was exercised with."""
        former = next((each for each in versions.published if str(each.number) == judgement.former), None)
        if former is None:
            return None
        try:
            roll_back(
                deployed.replication,
                versions,
                former,
                by=self.deployment.caller,
                hold_in_state=partial(self.deployment.hold, self.stack.project, self.stack.environment, route.target),
                history=deployed.history,
                spec=masking_spec(deployed.replication, route, str(former.number), deployed.history),
            )
        except OperatorError as error:
            seen = f"The route to {route.target} is not well at {judgement.release}: {'; '.join(judgement.faults)}."
            raise OperatorError(f"{seen} {error.args[0]}", details=error.details) from error
        try:
            mend(deployed.replication, route, judgement.exercised.keys)
        except OperatorError as error:
            self.say(f"What {versions.newest} was exercised with could not be made anew: {error}")
        return former
