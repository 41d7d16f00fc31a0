"""What the rule of a route matches, asked of a matcher that works as EventBridge's does."""

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from pipeline_common.contracts import StorageOutputs
from replication_core.object_keys import readings
from replication_project.config import TargetConfig
from replication_project.rule_patterns import change_pattern
from tests.infra.deployed import storage

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


@pytest.fixture
def source() -> StorageOutputs:
    return StorageOutputs.parse(storage("prod").outputs)


def target(objects: dict[str, Any], **more: Any) -> TargetConfig:
    return TargetConfig.model_validate({"environment": "dev", "objects": objects, **more})


def is_got(key: str, objects: dict[str, Any]) -> bool:
    """Whether the target gets the object, as the function decides it."""
    included = not objects.get("include") or key.startswith(tuple(objects["include"]))
    return included and not key.startswith(tuple(objects.get("exclude", ())))


def matches(value: str | None, alternatives: list[Any]) -> bool:
    """Whether a field's value, or None for no such field, is one of a pattern's alternatives.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
    """
    return any(_is(value, alternative) for alternative in alternatives)


def _is(value: str | None, alternative: Any) -> bool:
    match alternative:
        case {"exists": bool(wanted)}:
            return wanted is (value is not None)
        case {"prefix": str(prefix)}:
            return value is not None and value.startswith(prefix)
        case {"anything-but": {"prefix": str() | list() as prefixes}}:
            return value is not None and not value.startswith(
                tuple([prefixes] if isinstance(prefixes, str) else prefixes)
            )
    raise NotImplementedError(alternative)


def key_pattern(pattern: str) -> list[Any]:
    """What a pattern of the bucket's own events says of keys."""
    found: list[Any] = json.loads(pattern)["detail"].get("object", {}).get("key", [{"exists": True}])
    return found


@pytest.mark.parametrize("written", [str, quote, quote_plus])
@pytest.mark.parametrize("objects", SELECTIONS)
def test_no_event_of_an_object_that_a_target_gets_is_left_out_however_its_key_is_written(
    source: StorageOutputs, objects: dict[str, Any], written: Any
) -> None:
    alternatives = key_pattern(change_pattern("native", target(objects), source))
    for key in KEYS:
        event = written(key) if written is str else written(key, safe="/")
        if any(is_got(reading, objects) for reading in readings(event)):
            assert matches(event, alternatives), (event, objects)


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
    source: StorageOutputs, objects: dict[str, Any], got: list[str], left_out: list[str]
) -> None:
    alternatives = key_pattern(change_pattern("native", target(objects), source))
    assert [key for key in [*got, *left_out] if matches(key, alternatives)] == got


@pytest.mark.parametrize("capture", ["native", "cloudtrail"])
def test_prefixes_that_would_make_a_pattern_too_long_are_left_to_the_function(
    source: StorageOutputs, capture: str
) -> None:
    pattern = change_pattern(capture, target(SELECTIONS[-1]), source)
    assert pattern == change_pattern(capture, target({}), source)
    assert len(pattern) <= 2048


def test_a_recorded_call_without_a_key_is_matched_since_somebody_has_to_hear_of_it(source: StorageOutputs) -> None:
    pattern = json.loads(change_pattern("cloudtrail", target({"include": ["reports/"]}), source))
    objects, items = pattern["$or"]
    alternatives = objects["detail"]["requestParameters"]["key"]
    assert [matches(key, alternatives) for key in ("reports/1", "other", None)] == [True, False, True]
    assert items["detail"]["resources"] == {"ARN": [source.table_arn]}


def test_the_recorded_writes_of_the_table_are_not_matched_for_a_target_without_items(source: StorageOutputs) -> None:
    pattern = change_pattern("cloudtrail", target({}, items=False), source)
    assert json.loads(pattern)["source"] == ["aws.s3"]
    assert source.table_arn not in pattern
