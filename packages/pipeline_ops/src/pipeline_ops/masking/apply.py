"""The application of a policy to a target that has replicas already: step by step, and on from where it was cut off.

After it nothing is left there that another policy, or none, has made: no object, version, delete marker, unfinished
upload or item, and no message that would make one.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipeline_ops.ages import duration
from pipeline_ops.counts import counted
from pipeline_ops.errors import OperatorError
from pipeline_ops.masking.activation import Activation, Activations, ActivationStep
from pipeline_ops.masking.leftovers import Clearance, clear
from pipeline_ops.masking.policies import deployed_policy
from pipeline_ops.masking.recovery_points import recovery_points
from pipeline_ops.routes import KEYS_PER_SECOND
from pipeline_ops.routes.backfill import Backfill
from pipeline_ops.routes.backlog import POLL_SECONDS, Depth
from pipeline_ops.routes.brake import lift_brake
from pipeline_ops.routes.deployed_replication import DeployedReplication
from pipeline_ops.routes.enqueuer import Enqueuer, failed_keys, follow
from pipeline_ops.routes.route import THREADS, Route, explained, open_sides
from pipeline_ops.routes.selection import select
from pipeline_ops.routes.switch import set_enabled
from pipeline_ops.routes.verification import verify
from replication_core.comparing.findings import OF_ANOTHER_POLICY
from replication_core.route_spec import RoutedDataset

__all__ = ["Application"]

_VERIFIED_WITHIN = 900.0
"""Seconds that the route gets to work off what it has, so that lag is told from drift."""

_UNBRAKED_SECONDS = 24 * 3600.0
"""How long a brake counts nothing at most, where this is cut off."""


@dataclass(kw_only=True)
class Application:
    """Applies what is configured for a route."""

    target: str
    deployed: Callable[[], DeployedReplication]
    """Reads the contracts, which the deploy changes."""

    deploy: Callable[[], None]
    """Deploys the route's part of the stack."""

    wanted: str
    """The digest of the policy that is configured, see `policies`."""

    activations: Activations
    by: str
    say: Callable[[str], None]
    deep: bool = False
    """Whether the comparison at the end masks each body again."""

    rate: float = KEYS_PER_SECOND
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def run(self) -> Activation:
        """Do the steps that are left, and record each; raises OperatorError for one that can't be done."""
        activation = self._begun()
        for step in ActivationStep:
            if step not in activation.done:
                work: Callable[[Activation], Mapping[str, Any]] = getattr(self, f"_{step}")
                activation = self.activations.keep(activation.with_done(step, **work(activation)))
        return activation

    def left(self) -> Activation | None:
        """Return the activation of the configured policy that was cut off; None where there is none to go on with."""
        found = self.activations.find(self.target)
        if found is None or found.ended or found.policy != self.wanted:
            return None
        deployed = deployed_policy(self.deployed().replication.route(self.target))
        is_deployed = deployed is not None and deployed.digest == self.wanted
        return found if is_deployed or ActivationStep.DEPLOY not in found.done else None

    def _begun(self) -> Activation:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        begun = Activation(target=self.target, policy=self.wanted, by=self.by, begun=now)
        return self.left() or self.activations.keep(begun)

    def _route(self) -> tuple[DeployedReplication, Route]:
        """Return the route as it is by now; raises OperatorError for a held one, which no deploy moves."""
        deployed = self.deployed()
        route = deployed.replication.route(self.target)
        if route.hold:
            raise OperatorError(
                f"The route to {self.target} is held at {route.hold}: end that first, "
                f"`{deployed.replication.deploy_command} --end-holds`."
            )
        return deployed, route

    def _masked_route(self) -> tuple[DeployedReplication, Route]:
        """Return the route; raises OperatorError where its policy is not the one that is applied."""
        deployed, route = self._route()
        policy = deployed_policy(route)
        if policy is None or policy.digest != self.wanted:
            again = deployed.replication.where.command("mask", "apply", self.target)
            raise OperatorError(
                f"The route to {self.target} is not deployed with the policy that is applied to it: somebody has "
                f"deployed another one meanwhile. `{again}` begins anew."
            )
        return deployed, route

    def _pause(self, _: Activation) -> Mapping[str, Any]:
        deployed, route = self._route()
        replication = deployed.replication
        set_enabled(replication, route, enabled=False, pause=self.pause, clock=self.clock)
        # What the function has begun it ends within its timeout; what waits to be tried again is out of sight as well.
        until = self.clock() + self._function(deployed, route).get("Timeout", 0)
        backlog = deployed.backlog(route)
        while (in_flight := backlog.depth().in_flight) and (seconds := until - self.clock()) > 0:
            self.say(f"Paused; {counted(in_flight, 'message')} begun, {duration(seconds)} at most")
            self.pause(POLL_SECONDS)
        return {}

    def _deploy(self, _: Activation) -> Mapping[str, Any]:
        self.say(f"Deploying the route to {self.target}")
        self.deploy()
        self._masked_route()
        return {}

    def _resume(self, _: Activation) -> Mapping[str, Any]:
        deployed, route = self._route()
        # What the policy leaves out is deleted on purpose.
        lift_brake(deployed.replication, route, seconds=_UNBRAKED_SECONDS)
        set_enabled(deployed.replication, route, enabled=True, pause=self.pause, clock=self.clock)
        return {}

    def _drain(self, _: Activation) -> Mapping[str, Any]:
        deployed, route = self._route()

        def show(depth: Depth) -> None:
            self.say(f"Working off what was queued: {counted(depth.total, 'message')}")

        deployed.backlog(route).worked_off(datetime.now(UTC), on_depth=show)
        return {}

    def _mask(self, activation: Activation) -> Mapping[str, Any]:
        """Have the route reconcile every record: the ordinary backfill, on from where this activation's was cut off."""
        deployed, route = self._masked_route()
        sides = open_sides(deployed.replication, route)
        selection = select(sides.route, prefix=None, items=False)
        folder = deployed.folder("backfill")
        work = Backfill.open(sides, selection, None, folder, resume=True)
        if work.checkpoint.run != activation.backfill:
            work = Backfill.open(sides, selection, None, folder, restart=True)
            self.activations.keep(replace(activation, backfill=work.checkpoint.run))
        enqueuer = Enqueuer(
            backlog=deployed.backlog(route), reason=work.reason, rate=self.rate, pause=self.pause, clock=self.clock
        )
        with closing(work.enqueue(enqueuer)) as counts:
            for enqueued in counts:
                self.say(f"Masking: {counted(enqueued, 'key')} enqueued")
        follow(enqueuer.backlog, work.checkpoint.enqueued, self.say)
        failed = failed_keys(deployed.dead_letters, route, work.reason)
        self.say(f"Masked: {counted(work.checkpoint.enqueued, 'key')}; refused or given up: {len(failed.keys):,}")
        lift_brake(deployed.replication, route, seconds=0)
        work.forget()
        return {"backfill": work.checkpoint.run}

    def _clear(self, activation: Activation) -> Mapping[str, Any]:
        deployed, route = self._masked_route()
        sides = open_sides(deployed.replication, route)
        before = datetime.fromisoformat(activation.done[ActivationStep.DEPLOY])
        role = str(self._function(deployed, route).get("Role", "")).rpartition("/")[2]
        cleared: dict[str, Any] = {}
        failures: list[str] = []
        with ThreadPoolExecutor(THREADS, thread_name_prefix="clear") as executor:
            for routed in self._datasets(deployed, route):
                total = Clearance()
                with explained(f"What is left in {routed.target} can't be listed"):
                    for done in clear(sides, routed, executor, before=before, writer=role):
                        total.add(done)
                        self.say(
                            f"Clearing {routed.dataset.name}: {counted(total.deleted.total(), 'leftover')} deleted"
                        )
                cleared[routed.dataset.name] = total.document()
                failures += [f"{count:,} in {routed.target}: {why}" for why, count in total.failures.items()]
        if failures:
            raise OperatorError(
                f"What the route to {self.target} left is not all gone, and the same command tries again:",
                details=failures,
            )
        kept = recovery_points(deployed.replication, route.spec, datetime.now(UTC))
        return {"cleared": cleared, "kept": tuple(each.document() for each in kept)}

    def _function(self, deployed: DeployedReplication, route: Route) -> Mapping[str, Any]:
        client = deployed.replication.client("lambda", region=deployed.replication.region)
        with explained(f"The function of the route to {self.target} can't be looked at"):
            told: Mapping[str, Any] = client.get_function(FunctionName=route.outputs.alias_arn)["Configuration"]
            return told

    def _datasets(self, deployed: DeployedReplication, route: Route) -> Iterator[RoutedDataset]:
        """Yield the datasets that the target has: those that it gets, and of others what it got once."""
        yield from route.spec.routed
        stores = deployed.replication.target_storage(self.target).datasets
        for each in route.spec.datasets:
            if not each.target and each.dataset.name in stores:
                yield replace(each, target=stores[each.dataset.name].name, exclude=("",))

    def _verify(self, activation: Activation) -> Mapping[str, Any]:
        deployed, route = self._masked_route()
        sides = open_sides(deployed.replication, route)
        report = deployed.folder("verify") / f"{self.target}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl"
        selection = select(sides.route, prefix=None, items=False)
        backlog = deployed.backlog(route)
        found = verify(sides, backlog, selection, report, deep=self.deep, within=_VERIFIED_WITHIN, say=self.say)
        counts = {verdict.value: count for verdict, count in found.tally.counts.items() if count}
        if still := sum(found.tally.counts[verdict] for verdict in OF_ANOTHER_POLICY):
            self.activations.keep(activation.undone(ActivationStep.RESUME))
            raise OperatorError(
                f"Found {counted(still, 'replica')} of another policy, or of none, in {self.target}, see {report}: the "
                "same command masks and clears once more."
            )
        if found.tally.unknown or not found.worked_off:
            raise OperatorError(
                f"It could not be told whether every replica in {self.target} is of the policy, see {report}: the same "
                "command compares once more."
            )
        return {"found": counts, "drift": found.tally.drift(keep_own=True)}
