"""Contracts and checkpoints of the first release."""

import json
from collections.abc import Mapping
from typing import Any

from replication_core.datasets import ITEMS, OBJECTS
from replication_core.route_spec import RoutedDataset, RouteSpec

__all__ = ["route_of_environment", "settings_text"]

_PREFIX = "REPLICATOR_"


def route_of_environment(variables: Mapping[str, str]) -> RouteSpec:
    """Return the specification that a function's environment is; raises ValueError for one of another form."""
    told = {name.removeprefix(_PREFIX).lower(): value for name, value in variables.items() if name.startswith(_PREFIX)}
    try:
        objects = RoutedDataset(
            dataset=OBJECTS,
            source=told["source_bucket"],
            target=told["target_bucket"],
            include=tuple(map(str, json.loads(told["object_include"]))),
            exclude=tuple(map(str, json.loads(told["object_exclude"]))),
        )
        gets_items = json.loads(told["replicate_items"])
        items = RoutedDataset(
            dataset=ITEMS, source=told["source_table"], target=told["target_table"] if gets_items else ""
        )
        names = ("target", "source_environment", "source_region", "target_region", "queue_url", "dlq_url")
        topics = ("success_topic_arn", "failure_topic_arn", "notifications")
        plain: dict[str, Any] = {name: told[name] for name in (*names, *topics)}
    except KeyError as error:
        raise ValueError(f"the environment variable {_PREFIX}{str(error.args[0]).upper()} is not set") from error
    return RouteSpec(**plain, datasets=(objects, items))


def settings_text(route: RouteSpec) -> str:
    """Return the text by which that release told one route from another: by it a backfill's checkpoint is named."""
    objects, items = route.dataset(OBJECTS.name), route.dataset(ITEMS.name)
    fields: dict[str, object] = {
        "target": route.target,
        "source_environment": route.source_environment,
        "source_bucket": objects.source if objects else "",
        "source_table": items.source if items else "",
        "source_region": route.source_region,
        "target_bucket": objects.target if objects else "",
        "target_table": items.target if items else "",
        "target_region": route.target_region,
        "queue_url": route.queue_url,
        "dlq_url": route.dlq_url,
        "success_topic_arn": route.success_topic_arn,
        "failure_topic_arn": route.failure_topic_arn,
        "notifications": route.notifications,
        "object_include": objects.include if objects else (),
        "object_exclude": objects.exclude if objects else (),
        "replicate_items": bool(items and items.target),
    }
    return f"ReplicatorSettings({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
