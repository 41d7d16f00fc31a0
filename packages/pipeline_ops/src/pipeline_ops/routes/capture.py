"""Checks of everything between the source and the routes' queues, so that no change goes unnoticed."""

import json
from collections.abc import Iterator
from typing import Any

from pipeline_common.contracts import StorageOutputs, StoredDataset
from pipeline_ops.errors import OperatorError
from pipeline_ops.routes.route import Route, SourceRoutes, explained
from pipeline_ops.routes.switch import ENABLED, mapping_of, named_state
from replication_core.datasets import ITEMS, OBJECTS, Dataset

__all__ = ["capture_problems", "route_problems"]

_PROBLEM = "PROBLEM"
"""How Lambda's last processing result begins where there is one.

https://docs.aws.amazon.com/lambda/latest/api/API_GetEventSourceMapping.html
"""


def capture_problems(replication: SourceRoutes) -> list[str]:
    """Say what keeps changes from being noticed, a sentence each; what can't be looked at is one of them."""
    looks = [_trail(replication)] if replication.trail_name else []
    if replication.notifier_function_name:  # else CloudTrail's records are of objects and items alike
        looks = [
            _events(replication, stored) if stored.dataset.is_bucket else _stream(replication, stored)
            for stored in replication.replicated
        ]
    return [problem for look in looks for problem in _contained(look)]


def route_problems(replication: SourceRoutes, route: Route) -> list[str]:
    """Say what keeps changes from the route's queue, or where its function is of other stores, a sentence each."""
    looks = (_rule(replication, route), _function(replication, route))
    # What can't be read of the route is said once.
    return list(dict.fromkeys(problem for look in looks for problem in _contained(look)))


def _contained(problems: Iterator[str]) -> Iterator[str]:
    try:
        yield from problems
    except OperatorError as error:
        yield str(error)


def _rule(replication: SourceRoutes, route: Route) -> Iterator[str]:
    name, stored = route.outputs.rule_name, replication.source.datasets
    events = replication.client("events", region=replication.region)
    with explained(f"The rule {name} can't be looked at"):
        rule = events.describe_rule(Name=name)
        pages = events.get_paginator("list_targets_by_rule").paginate(Rule=name)
        arns = {target["Arn"] for page in pages for target in page["Targets"]}
    if not str(rule.get("State")).startswith("ENABLED"):
        yield f"its rule {name} is disabled: changes are not noticed, and lost"
    matched = _texts(rule.get("EventPattern", ""))
    for routed in route.spec.routed:
        if routed.dataset.is_bucket and (bucket := stored.get(routed.dataset.name)) and bucket.name not in matched:
            yield f"its rule {name} is not of the bucket that storage names, {bucket.name}"
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


def _events(replication: SourceRoutes, bucket: StoredDataset) -> Iterator[str]:
    with explained(f"The bucket {bucket.name} can't be looked at"):
        s3 = replication.client("s3", region=replication.region)
        told = s3.get_bucket_notification_configuration(Bucket=bucket.name)
    if "EventBridgeConfiguration" not in told:
        yield f"the bucket {bucket.name} sends EventBridge no events: changes of objects are lost"


def _stream(replication: SourceRoutes, table: StoredDataset) -> Iterator[str]:
    name, id_ = replication.notifier_function_name, replication.notifier_mappings.get(table.dataset.name)
    if id_ is None:
        yield f"{name} does not read the table {table.name}: changes of items are lost after 24 hours"
        return
    with explained(f"What {name} reads of the table {table.name} can't be looked at"):
        mapping = mapping_of(replication, id_)
        dynamodb = replication.client("dynamodb", region=replication.region)
        described = dynamodb.describe_table(TableName=table.name)["Table"]
    state, result = named_state(mapping), str(mapping.get("LastProcessingResult", ""))
    if state != ENABLED:
        yield f"{name} is {state} for the table {table.name}: changes of items are lost after 24 hours"
    elif result.startswith(_PROBLEM):
        yield f"{name} could not work on its last batch of the table {table.name}: {result}"
    stream = described.get("LatestStreamArn") if described.get("StreamSpecification", {}).get("StreamEnabled") else None
    if mapping.get("EventSourceArn") != stream:
        yield (
            f"{name} reads another stream than that of the table {table.name}, which was made again, or has none: "
            "changes of items are lost"
        )


def _function(replication: SourceRoutes, route: Route) -> Iterator[str]:
    source = replication.source
    with explained(f"The route to {route.target} can't be looked at"):
        reads = mapping_of(replication, route.outputs.event_source_mapping_id).get("EventSourceArn")
    spec = route.spec
    yield from _differing("dead-letter queue", spec.dlq_url, source.dlq_url)
    yield from _differing("queue", reads, route.outputs.queue_arn)
    target = replication.target_storage(route.target)
    for routed in spec.datasets:
        yield from _dataset("", routed.dataset, routed.source, source)
        if routed.target:
            yield from _dataset("target ", routed.dataset, routed.target, target)
    for name in source.datasets:
        if spec.dataset(name) is None:
            yield f"it was deployed before storage had the dataset {name}: whether it gets that is not known to it"


def _dataset(side: str, dataset: Dataset, its: str, storage: StorageOutputs) -> Iterator[str]:
    """Compare a dataset of the route with what storage has under that name."""
    what = f"{side}{dataset.kind}" if dataset in (OBJECTS, ITEMS) else f"{side}{dataset.kind} of {dataset.name}"
    stored = storage.datasets.get(dataset.name)
    yield from _differing(what, its, stored.name if stored else "none")
    if stored and stored.dataset != dataset:
        yield f"its {what} has another key, or is of another kind, than the stacks say"


def _differing(what: str, its: str | None, ours: str) -> Iterator[str]:
    if its != ours:
        yield f"its {what} is {its}, and the stacks name {ours}"
