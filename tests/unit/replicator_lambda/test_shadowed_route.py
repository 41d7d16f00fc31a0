"""A route with a next policy beside the live one: it counts what that would change, and does all that it did before."""

import json
import time
from functools import partial
from typing import Any

import pytest

from replication_core.datasets import ITEMS
from replication_core.masking.shadow import Shadow
from replication_core.reconcile import Action
from tests.made_policies import KEEP, item_policy, policy, pseudonym
from tests.unit.replication_core.cloud import Cloud, item_notice, object_notice, record
from tests.unit.replicator_lambda.test_handler import event, failed, metrics_of

SECRET = "zebra-quartz-7391"


def a_policy(note: Any = None, **changes: Any) -> dict[str, Any]:
    attributes = [["note", note]] if note else []
    rule = {
        "match": "in/{who}.csv",
        "line": 4,
        "key": {"who": pseudonym("who")},
        "body": {"format": "csv", "fields": [["mail", {"rule": "email", "line": 5, "namespace": "mail"}]]},
        **{name: {"*": {"rule": "drop", "line": 6}} for name in ("headers", "metadata", "tags")},
    }
    buckets = {"objects": {"rules": [rule], "tags": [], "deletes": "mirror"}}
    return policy({"items": item_policy(attributes=attributes)}, buckets, **changes)


LIVE, NEXT = a_policy({"rule": "drop", "line": 3}), a_policy(KEEP)


def run(cloud: Cloud, capsys: pytest.CaptureFixture[str], shadow: dict[str, Any]) -> tuple[Any, list[Any], str]:
    """Replicate an item, and two objects of which one is refused by both; return replicas, lines and all that is out.

    One item is deleted at the source.
    """
    kms = cloud.with_policy(LIVE)
    cloud.with_settings(shadow=shadow)
    cloud.put_item(SECRET, note={"S": SECRET})
    cloud.put(f"in/{SECRET}.csv", f"mail\r\n{SECRET}\r\n".encode(), Metadata={"owner": SECRET})
    cloud.put(f"other/{SECRET}")
    bodies = [
        item_notice(SECRET),
        item_notice("gone"),
        object_notice(f"in/{SECRET}.csv"),
        object_notice(f"other/{SECRET}"),
    ]
    records = [record(body, id_=str(number)) for number, body in enumerate(bodies)]
    with cloud.recording() as calls:
        assert failed(cloud.route().process(event(*records))) == []
    out = capsys.readouterr().out
    lines = [json.loads(line) for line in out.splitlines() if line.startswith('{"message": "shadow"')]
    items = cloud.clients.target_dynamodb.scan(TableName=cloud.settings.target_table)["Items"]
    told = [{name: value for name, value in item.items() if name != "replicationTimestamp"} for item in items]
    replicas = told, sorted(cloud.keys(cloud.settings.target_bucket)), sorted(calls), kms.calls
    return replicas, lines, out


def test_the_next_policy_is_counted_and_changes_neither_replicas_nor_calls_nor_metrics(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    without, lines, out = run(cloud, capsys, {})
    assert lines == []
    assert not {name for name in metrics_of(out) if name.startswith("Shadow")}
    replicas, (line,), out = run(cloud, capsys, NEXT)
    assert replicas == without
    assert line["found"] == {"items": {"different": 1}, "objects": {"same": 2}}
    assert line["values"] == [{"dataset": "items", "place": "note", "now": "drop", "then": "keep", "records": 1}]
    assert line["policy"] == cloud.settings.spec.shadow_policy.digest  # type: ignore[union-attr]
    metrics = metrics_of(out)
    assert [metrics[f"Shadow{name}"] for name in ("edRecords", "Changes", "Refusals")] == [[3], [1], [0]]
    assert SECRET not in json.dumps(line)


@pytest.mark.parametrize("broken", ["policy", "code"])
def test_a_next_policy_that_fails_is_told_and_harms_nothing(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RecursionError(SECRET)

    without, *_ = run(cloud, capsys, {})
    if broken == "code":
        monkeypatch.setattr(Shadow, "item", fail)
        monkeypatch.setattr(Shadow, "object", fail)
    replicas, lines, out = run(cloud, capsys, NEXT if broken == "code" else {**NEXT, "version": 99})
    assert replicas == without
    assert metrics_of(out)["ShadowedRecords"] == [0]
    if broken == "code":
        assert lines[0]["found"] == {"items": {"not compared": 1}, "objects": {"not compared": 2}}
        assert "not compared: RecursionError" in json.dumps(lines)
    else:
        assert '"shadow not counted"' in out
    assert SECRET not in json.dumps(lines)


def _later(seconds: float) -> float:
    return time.monotonic() + seconds


def test_in_the_latter_half_of_the_time_nothing_is_compared_and_everything_is_replicated(cloud: Cloud) -> None:
    cloud.with_policy(LIVE)
    cloud.with_settings(shadow=NEXT)
    cloud.put_item("a")
    replicator = cloud.replicator()
    replicator.deadline.start(115_000)
    seen: list[tuple[Action, bool]] = []
    for seconds in (0, 49, 51):
        replicator.deadline._clock = partial(_later, seconds)
        (outcome,) = replicator.reconcile([ITEMS.record("a", "1")]).values()
        assert outcome.shadow is not None
        seen.append((outcome.action, outcome.shadow.is_compared))
    assert seen == [(Action.COPIED, True), (Action.COPIED, True), (Action.COPIED, False)]
