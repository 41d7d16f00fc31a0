"""What a release writes, and what it understands of it: run as a program by the code of either of two releases.

`write` prints the documents; `read` reads such from standard input, and prints what they say. The second argument is
the folder whose code this is to be.
"""

import json
import sys
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import replication_core
from pipeline_common.contracts import ReplicationOutputs, RouteOutputs
from queue_worker.dead_letters import DeadLetters, Envelope, Letter
from replication_core.aws.errors import StoreError
from replication_core.changes import message, parse
from replication_core.datasets import ITEMS, OBJECTS, Dataset, KeyAttribute, KeyType, Kind
from replication_core.desired import desired_item
from replication_core.objects.provenance import own_tags, replica_metadata, tells_version, with_mark
from replication_core.objects.states import Head
from replication_core.replicas import is_replica
from replication_core.route_spec import RoutedDataset, RouteSpec

WHEN = datetime(2030, 1, 1, tzinfo=UTC)
ORDERS = Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.STRING), KeyAttribute("sk", KeyType.BINARY)))
KEYS = (
    [OBJECTS.record("reports/a b+%20\u00e9.txt")],
    [ITEMS.record("order-7", "1767225600.25")],
    [ORDERS.record("a", "AAE="), ORDERS.record("b", "AAI=")],
)
HEAD = Head(version_id="v1", etag='"e"', size=1, last_modified="2030-01-01T00:00:00+00:00", metadata=(("own", "1"),))
ITEM: Any = {"id": {"S": "order-7"}, "timestamp": {"N": "1"}, "set": {"SS": ["b", "a"]}}
SPEC = RouteSpec(
    target="dev",
    source_environment="prod",
    source_region="eu-west-1",
    target_region="eu-central-1",
    datasets=tuple(
        RoutedDataset(dataset=each, source=f"prod-{each.name}", target=f"dev-{each.name}")
        for each in (OBJECTS, ITEMS, ORDERS)
    ),
    queue_url="queue",
    dlq_url="dlq",
    success_topic_arn="success",
    failure_topic_arn="failure",
)


class Queue:
    """Keeps the messages that are sent to it."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> Any:  # noqa: N803 - boto3's own names
        self.bodies += [entry["MessageBody"] for entry in Entries]
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}


def written() -> dict[str, Any]:
    """Return what this release writes."""
    messages = [message(keys, "stream", changed_at=WHEN, unsure=len(keys) > 1) for keys in KEYS]
    queue = Queue()
    letters = [Letter(notice=each, error=StoreError("NoSuchBucket", "gone"), attempts=6) for each in messages]
    DeadLetters(sqs=queue, queue_url="dlq", target="dev").send(letters, WHEN)  # type: ignore[arg-type]
    texts: Any = {each.name: each.name for each in fields(ReplicationOutputs) if each.name != "routes"}
    texts["notifier_mappings"] = {"items": "mapping"}
    route: Any = {each.name: each.name for each in fields(RouteOutputs) if each.name != "held"}
    outputs = ReplicationOutputs(**texts, routes={"dev": RouteOutputs(**{**route, "spec": SPEC.document()})})
    return {
        "messages": messages,
        "letters": queue.bodies,
        "route": SPEC.document(),
        "outputs": outputs.exports(),
        "metadata": dict(replica_metadata(HEAD, "prod")),
        "tags": with_mark((("class", "a"),), "prod", '"e"'),
        "item": dict(desired_item(ITEM, ITEMS, source="prod", target="dev") or {}),
    }


def understood(told: Any) -> dict[str, Any]:
    """Return what this release understands of what one has written."""
    route = RouteSpec.parse(told["route"])
    outputs = ReplicationOutputs.parse(told["outputs"])
    letters = [Envelope.parse(json.loads(body)) for body in told["letters"]]
    tags = tuple(tuple(tag) for tag in told["tags"])
    return {
        "changes": [
            [str(change.key), change.reason, str(change.changed_at), change.unsure]
            for body in told["messages"]
            for change in parse(body, route)
        ],
        "letters": [
            letter and [letter.target, letter.kind, letter.message, len(parse(letter.event, route))]
            for letter in letters
        ],
        "route": [route.target, route.queue_url, *(str(each) for each in route.routed)],
        "outputs": [outputs.environment, outputs.routes["dev"].queue_url, outputs.routes["dev"].alias_arn],
        "provenance": [is_replica(told["metadata"], list), tells_version(told["metadata"], HEAD), own_tags(tags)],
        "item": dict(desired_item(ITEM, ITEMS, source="prod", target="dev") or {}) == told["item"],
    }


if __name__ == "__main__":
    assert (replication_core.__file__ or "").startswith(sys.argv[2]), replication_core.__file__
    done = written() if sys.argv[1] == "write" else understood(json.load(sys.stdin))
    sys.stdout.write(json.dumps(done))
