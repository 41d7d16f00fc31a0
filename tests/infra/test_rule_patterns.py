"""What the rule of a route matches, asked of a matcher that works as EventBridge's does."""

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from pipeline_common.contracts import StorageOutputs
from replication_core.object_keys import readings
from replication_project.config import TargetConfig
from replication_project.dataset_pairs import DatasetPair, dataset_pairs
from replication_project.rule_patterns import change_pattern
from tests.infra.deployed import stacks_of, storage
from tests.unmasked import UNMASKED

SELECTIONS: list[dict[str, Any]] = [
    {},
    {"include": ["reports/"]},
    {"include": ["reports/", "a b/", "é/", "100%/", "x+y/"]},
    {"exclude": ["results/prod/unfinished/"]},
    {"exclude": ["one/", "a b/", "é/", "a%20b/", "x+y/"]},
    {"include": ["public/"], "exclude": ["public/secret/"]},
    {"include": [f"{n:02}-{'long/' * 20}" for n in range(20)]},
]
KEYS = [
    *("reports/1.txt", "report", "a b/1", "a%20b/1", "a+b/1", "é/1", "100%/1", "x+y/1", "x y/1", "one/1", "other"),
    *("public/1", "public/secret/1", "results/prod/unfinished/1", "results/prod/1"),
    *(f"{n:02}-{'long/' * 20}1" for n in (0, 19)),
]


SOURCE = StorageOutputs.parse(storage("prod").outputs)


def pairs(
    target: dict[str, Any], source: StorageOutputs = SOURCE, replica: StorageOutputs | None = None
) -> list[DatasetPair]:
    """What a target of this configuration gets, of the committed storage unless another is given."""
    config = TargetConfig.model_validate({"environment": "dev", **UNMASKED, **target})
    return dataset_pairs(config, source=source, replica=replica or StorageOutputs.parse(storage("dev").outputs))


def pattern_of(capture: str, target: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(change_pattern(capture, pairs(target)))
    return found


def is_got(key: str, objects: dict[str, Any]) -> bool:
    """Whether the target gets the object, as the function decides it."""
    included = not objects.get("include") or key.startswith(tuple(objects["include"]))
    return included and not key.startswith(tuple(objects.get("exclude", ())))


def matches(event: Any, pattern: dict[str, Any]) -> bool:
    """Whether an event matches a pattern: by every field, by one of each `$or`, and by one element of a list.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
    """
    if isinstance(event, list):
        return any(matches(element, pattern) for element in event)
    return all(
        any(matches(event, one) for one in inner)
        if name == "$or"
        else matches(event.get(name, {}), inner)
        if isinstance(inner, dict)
        else any(_is(event.get(name), alternative) for alternative in inner)
        for name, inner in pattern.items()
    )


def _is(value: str | None, alternative: Any) -> bool:
    match alternative:
        case str():
            return value == alternative
        case {"exists": bool(wanted)}:
            return wanted is (value is not None)
        case {"prefix": str(prefix)}:
            return value is not None and value.startswith(prefix)
        case {"anything-but": {"prefix": str() | list() as prefixes}}:
            return value is not None and not value.startswith(
                tuple([prefixes] if isinstance(prefixes, str) else prefixes)
            )
    raise NotImplementedError(alternative)


def written(key: str, bucket: str = SOURCE.bucket_name) -> dict[str, Any]:
    """A bucket's event of an object that was written."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def recorded(service: str, call: str, **detail: Any) -> dict[str, Any]:
    """The event of a call that CloudTrail recorded."""
    detail = {"eventName": call, **detail}
    return {"source": f"aws.{service}", "detail-type": "AWS API Call via CloudTrail", "detail": detail}


def put(key: str, bucket: str = SOURCE.bucket_name) -> dict[str, Any]:
    return recorded("s3", "PutObject", requestParameters={"bucketName": bucket, "key": key})


def put_item(*table_arns: str) -> dict[str, Any]:
    return recorded("dynamodb", "TransactWriteItems", resources=[{"ARN": arn} for arn in table_arns])


@pytest.mark.parametrize("spelling", [str, quote, quote_plus])
@pytest.mark.parametrize("objects", SELECTIONS)
def test_no_event_of_an_object_that_a_target_gets_is_left_out_however_its_key_is_written(
    objects: dict[str, Any], spelling: Any
) -> None:
    pattern = pattern_of("native", {"objects": objects})
    for key in KEYS:
        spelt = spelling(key) if spelling is str else spelling(key, safe="/")
        if any(is_got(reading, objects) for reading in readings(spelt)):
            assert matches(written(spelt), pattern), (spelt, objects)


@pytest.mark.parametrize(
    ("objects", "got", "left_out"),
    [
        ({"include": ["reports/", "logs/"]}, ["reports/1", "logs/1"], ["other", "reports"]),
        ({"exclude": ["tmp/", "results/prod/unfinished/"]}, ["reports/1", "results/prod/1"], ["tmp/1"]),
        ({"include": ["public/"], "exclude": ["public/secret/"]}, ["public/1", "public/secret/1"], ["private/1"]),
        ({"include": ["a b/"]}, ["a b/1", "a%20b/1", "about"], ["b/1"]),
    ],
)
def test_events_of_objects_that_a_target_does_not_get_stay_out_of_its_queue_where_a_pattern_can_say_so(
    objects: dict[str, Any], got: list[str], left_out: list[str]
) -> None:
    pattern = pattern_of("native", {"objects": objects})
    assert [key for key in [*got, *left_out] if matches(written(key), pattern)] == got


@pytest.mark.parametrize("capture", ["native", "cloudtrail"])
def test_prefixes_that_would_make_a_pattern_too_long_are_left_to_the_function(capture: str) -> None:
    pattern = change_pattern(capture, pairs({"objects": SELECTIONS[-1]}))
    assert pattern == change_pattern(capture, pairs({}))
    assert len(pattern) <= 2048


def test_a_recorded_call_without_a_key_is_matched_since_somebody_has_to_hear_of_it() -> None:
    pattern = pattern_of("cloudtrail", {"objects": {"include": ["reports/"]}})
    several = recorded("s3", "DeleteObjects", requestParameters={"bucketName": SOURCE.bucket_name})
    assert [matches(event, pattern) for event in (put("reports/1"), put("other"), several)] == [True, False, True]
    assert matches(put_item(SOURCE.datasets["items"].arn), pattern)
    assert not matches(put_item(SOURCE.datasets["items"].arn) | {"source": "aws.s3"}, pattern)


def test_the_recorded_writes_of_the_table_are_not_matched_for_a_target_without_items() -> None:
    pattern = pattern_of("cloudtrail", {"items": False})
    assert matches(put("any"), pattern)
    assert not matches(put_item(SOURCE.datasets["items"].arn), pattern)


# More datasets


@pytest.fixture(scope="module")
def sides() -> tuple[StorageOutputs, StorageOutputs]:
    """Production's storage and dev's, with more buckets and tables."""
    stacks = stacks_of()
    prod, dev = (StorageOutputs.parse(stacks[f"organization/storage/{name}"]) for name in ("prod", "dev"))
    return prod, dev


def pattern_of_more(capture: str, sides: tuple[StorageOutputs, StorageOutputs], **target: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(change_pattern(capture, pairs(target, *sides)))
    return found


@pytest.mark.parametrize(("capture", "event"), [("native", written), ("cloudtrail", put)])
@pytest.mark.parametrize(
    ("chosen", "got"),
    [
        ({"objects": {}, "archive": {}}, ["objects a/1", "objects b/1", "archive a/1", "archive b/1"]),
        ({"archive": {"include": ["a/"]}}, ["archive a/1"]),
        ({"objects": {"include": ["b/"]}, "archive": {"include": ["a/"]}}, ["objects b/1", "archive a/1"]),
        ({"objects": {"exclude": ["b/"]}, "archive": {}}, ["objects a/1", "archive a/1", "archive b/1"]),
        ({"orders": {}}, []),
    ],
)
def test_the_objects_of_each_bucket_are_matched_by_their_own_prefixes(
    sides: tuple[StorageOutputs, StorageOutputs], capture: str, event: Any, chosen: dict[str, Any], got: list[str]
) -> None:
    pattern = pattern_of_more(capture, sides, datasets=chosen)
    every = {
        f"{name} {key}": event(key, sides[0].datasets[name].name)
        for name in ("objects", "archive")
        for key in ("a/1", "b/1")
    }
    assert [name for name, one in every.items() if matches(one, pattern)] == got
    assert not matches(event("a/1", "another-bucket"), pattern)


def test_the_recorded_writes_of_every_table_that_a_target_gets_are_matched(
    sides: tuple[StorageOutputs, StorageOutputs],
) -> None:
    pattern = pattern_of_more("cloudtrail", sides, datasets={"orders": {}, "readings": {}})
    tables = {name: stored.arn for name, stored in sides[0].datasets.items() if not stored.dataset.is_bucket}
    matched = [name for name, arn in tables.items() if matches(put_item(arn), pattern)]
    assert matched == ["orders", "readings"]
    assert matches(put_item("arn:of-another", tables["orders"]), pattern)
