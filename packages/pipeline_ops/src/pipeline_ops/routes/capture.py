"""Checks of everything between the source and the routes' queues, so that no change goes unnoticed."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pipeline_ops.errors import OperatorError
from pipeline_ops.routes.route import Route, SourceRoutes, explained
from pipeline_ops.routes.switch import ENABLED, mapping_of, named_state
from replication_core.datasets import ITEMS, OBJECTS

__all__ = ["capture_problems", "route_problems"]

_PROBLEM = "PROBLEM"
"""How Lambda's last processing result begins where there is one.

https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
"""


def capture_problems(replication: SourceRoutes) -> list[str]:
    """Say what keeps changes from being noticed, a sentence each; what can't be looked at is one of them."""
    looks: Sequence[Callable[[SourceRoutes], Iterator[str]]] = []
    if replication.notifier_mapping_id:  # else CloudTrail's records are of objects and items alike
        looks = [_events, _notifier]
    elif replication.trail_name:
        looks = [_trail]
    return [problem for look in looks for problem in _contained(look(replication))]


def route_problems(replication: SourceRoutes, route: Route) -> list[str]:
    """Say what keeps changes from the route's queue, or where its function is of other stores, a sentence each."""
    return [*_contained(_rule(replication, route)), *_contained(_function(replication, route))]


def _contained(problems: Iterator[str]) -> Iterator[str]:
    try:
        yield from problems
    except OperatorError as error:
        yield str(error)


def _rule(replication: SourceRoutes, route: Route) -> Iterator[str]:
    name, bucket = route.outputs.rule_name, replication.source.bucket_name
    events = replication.client("events", region=replication.region)
    with explained(f"The rule {name} can't be looked at"):
        rule = events.describe_rule(Name=name)
        pages = events.get_paginator("list_targets_by_rule").paginate(Rule=name)
        arns = {target["Arn"] for page in pages for target in page["Targets"]}
    if not str(rule.get("State")).startswith("ENABLED"):
        yield f"its rule {name} is disabled: changes are not noticed, and lost"
    if bucket not in _texts(rule.get("EventPattern", "")):
        yield f"its rule {name} is not of the bucket that storage names, {bucket}"
    if route.outputs.queue_arn not in arns:
        yield f"its rule {name} does not have its queue as target: it gets none"


def _trail(replication: SourceRoutes) -> Iterator[str]:
    """Look whether the trail records at all.

    A trail of all regions may be at home in another one, where only its ARN finds it:
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html
    """
    name = replication.trail_name
    with explained(f"The trail {name} can't be looked at"):
        cloudtrail = replication.client("cloudtrail", region=replication.region)
        arns = [trail["TrailARN"] for trail in cloudtrail.describe_trails()["trailList"] if trail["Name"] == name]
        logging = [cloudtrail.get_trail_status(Name=arn)["IsLogging"] for arn in arns]
    if not arns:
        yield f"the trail {name} is not there: changes are not noticed, and lost"
    elif not any(logging):
        yield f"the trail {name} does not record, since its logging is stopped: changes are not noticed, and lost"


def _texts(pattern: str) -> set[str]:
    """Return every text that a pattern matches by."""
    found: set[str] = set()

    def visit(value: Any) -> None:
        if isinstance(value, str):
            found.add(value)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            visit(inner)

    try:
        visit(json.loads(pattern))
    except (ValueError, RecursionError):
        return set()
    return found


def _events(replication: SourceRoutes) -> Iterator[str]:
    bucket = replication.source.bucket_name
    with explained(f"The bucket {bucket} can't be looked at"):
        s3 = replication.client("s3", region=replication.region)
        told = s3.get_bucket_notification_configuration(Bucket=bucket)
    if "EventBridgeConfiguration" not in told:
        yield f"the bucket {bucket} sends EventBridge no events: changes of objects are lost"


def _notifier(replication: SourceRoutes) -> Iterator[str]:
    table, name = replication.source.table_name, replication.notifier_function_name
    with explained(f"What {name} reads can't be looked at"):
        mapping = mapping_of(replication, replication.notifier_mapping_id)
        described = replication.client("dynamodb", region=replication.region).describe_table(TableName=table)["Table"]
    state, result = named_state(mapping), str(mapping.get("LastProcessingResult", ""))
    if state != ENABLED:
        yield f"{name} is {state}: changes of items are lost after 24 hours"
    elif result.startswith(_PROBLEM):
        yield f"{name} could not work on its last batch: {result}"
    stream = described.get("LatestStreamArn") if described.get("StreamSpecification", {}).get("StreamEnabled") else None
    if mapping.get("EventSourceArn") != stream:
        yield (
            f"{name} reads another stream than that of the table {table}, which was made again, or has none: changes "
            f"of items are lost"
        )


def _function(replication: SourceRoutes, route: Route) -> Iterator[str]:
    source = replication.source
    with explained(f"The route to {route.target} can't be looked at"):
        reads = mapping_of(replication, route.outputs.event_source_mapping_id).get("EventSourceArn")
    spec = route.spec
    yield from _differing(
        {"dead-letter queue": (spec.dlq_url, source.dlq_url), "queue": (reads, route.outputs.queue_arn)}
    )
    target = replication.target_storage(route.target)
    for dataset, ours, theirs in (
        (OBJECTS, source.bucket_name, target.bucket_name),
        (ITEMS, source.table_name, target.table_name),
    ):
        if (routed := spec.dataset(dataset.name)) is not None:
            yield from _differing({dataset.kind.value: (routed.source, ours)})
            if routed.target:
                yield from _differing({f"target {dataset.kind.value}": (routed.target, theirs)})


def _differing(named: Mapping[str, tuple[str | None, str]]) -> Iterator[str]:
    for what, (its, ours) in named.items():
        if its != ours:
            yield f"its {what} is {its}, and the stacks name {ours}"
