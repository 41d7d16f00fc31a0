import json

import pytest

from local_cloud.provider.lifecycle import UnknownTypeError
from local_cloud.provider.registry import RESOURCES
from local_cloud.provider.wire import UNKNOWN, Archive
from tests.unit.local_cloud.provider.checking import SEED, lifecycle, refusals

QUEUE = "aws:sqs/queue:Queue"
BUCKET = "aws:s3/bucket:Bucket"
POLICY = "aws:sqs/queuePolicy:QueuePolicy"


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(UnknownTypeError, match="aws:ec2/vpc:Vpc"):
        lifecycle("aws:ec2/vpc:Vpc").check("name", {}, {}, SEED)


def test_an_input_that_is_not_implemented_is_named_at_any_depth() -> None:
    rule = {"id": "x", "status": "Enabled", "expiration": {"date": "2030-01-01"}}
    found = refusals(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", {"bucket": "a-bucket", "rules": [rule]}
    )
    assert list(found) == ["rules[0].expiration.date"]
    assert "does not implement" in found["rules[0].expiration.date"]


def test_a_missing_required_input_is_named() -> None:
    assert refusals(POLICY, {"queueUrl": "http://queue"}) == {"policy": "a value is required"}


def test_a_value_of_the_wrong_kind_is_refused() -> None:
    assert "whole number" in refusals(QUEUE, {"delaySeconds": 1.5})["delaySeconds"]
    assert "a number is expected" in refusals(QUEUE, {"delaySeconds": "1"})["delaySeconds"]
    assert "true or false" in refusals(BUCKET, {"forceDestroy": "yes"})["forceDestroy"]


def test_what_is_not_known_yet_is_left_for_the_deployment_to_check() -> None:
    assert refusals(POLICY, {"queueUrl": UNKNOWN, "policy": UNKNOWN}) == {}


def test_a_name_is_made_of_the_resources_and_kept() -> None:
    checked, _ = lifecycle(QUEUE).check("orders", {}, {}, SEED)
    name, digits = checked["name"].rsplit("-", 1)
    assert name == "orders"
    assert len(digits) == 7
    assert int(digits, 16) >= 0
    again, _ = lifecycle(QUEUE).check("orders", checked, {}, b"another seed")
    assert again["name"] == checked["name"]


def test_a_name_of_the_programs_own_is_not_kept_when_the_program_drops_it() -> None:
    named, _ = lifecycle(QUEUE).check("orders", {}, {"name": "mine"}, SEED)
    unnamed, _ = lifecycle(QUEUE).check("orders", named, {}, SEED)
    assert named["name"] == "mine"
    assert unnamed["name"].startswith("orders-")


def test_a_buckets_name_is_made_in_lower_case() -> None:
    assert lifecycle(BUCKET).check("Files", {}, {}, SEED)[0]["bucket"].startswith("files-")


def test_a_name_that_would_be_too_long_is_refused_and_not_shortened() -> None:
    _, refused = lifecycle("aws:lambda/function:Function").check("f" * 57, {}, {}, SEED)
    reason = next(each.reason for each in refused if each.path == "name")
    assert "made from the resource's name, has 65 characters" in reason


def test_default_tags_are_merged_and_the_resources_own_win() -> None:
    checked, _ = lifecycle(QUEUE, Team="data", Name="default").check("q", {}, {"tags": {"Name": "own"}}, SEED)
    assert checked["tags"] == {"Team": "data", "Name": "own"}


def test_a_type_without_tags_gets_no_default_tags() -> None:
    checked, _ = lifecycle(POLICY, Team="data").check("q", {}, {"queueUrl": "u", "policy": "{}"}, SEED)
    assert "tags" not in checked


def test_a_change_of_a_name_replaces_and_another_does_not() -> None:
    changed = lifecycle(QUEUE).diff({"name": "a", "delaySeconds": 0}, {"name": "b", "delaySeconds": 1})
    assert changed.changed == ("name", "delaySeconds")
    assert changed.replaces == {"name"}


def test_a_changed_region_replaces() -> None:
    assert lifecycle(QUEUE).diff({"region": "eu-west-1"}, {"region": "us-east-1"}).replaces == {"region"}


def test_nothing_empty_and_absent_are_the_same() -> None:
    assert lifecycle(QUEUE).diff({"tags": {}, "redrivePolicy": ""}, {}).changed == ()


def test_a_tag_with_an_empty_value_is_not_absent() -> None:
    assert lifecycle(QUEUE).diff({"tags": {"Empty": ""}}, {"tags": {}}).changed == ("tags",)


def test_what_is_unknown_may_be_a_change() -> None:
    assert lifecycle(QUEUE).diff({"name": "a"}, {"name": UNKNOWN}).replaces == {"name"}


def test_a_list_that_is_unknown_or_holds_something_unknown_may_be_a_change() -> None:
    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    for unknown in (UNKNOWN, [UNKNOWN]):
        assert lifecycle(token).diff({"okActions": ["a"]}, {"okActions": unknown}).changed == ("okActions",)


def test_a_policy_that_says_the_same_is_no_change() -> None:
    one = {"Statement": [{"Action": ["b", "a"], "Condition": {"Bool": {"x": "true"}}, "Resource": ["r"]}]}
    other = {"Statement": {"Resource": "r", "Condition": {"Bool": {"x": True}}, "Action": ["a", "b"]}}
    assert lifecycle(POLICY).diff({"policy": json.dumps(one)}, {"policy": json.dumps(other)}).changed == ()
    other["Statement"]["Resource"] = "s"
    assert lifecycle(POLICY).diff({"policy": json.dumps(one)}, {"policy": json.dumps(other)}).changed == ("policy",)


def test_the_order_of_a_dashboards_widgets_is_a_change() -> None:
    token = "aws:cloudwatch/dashboard:Dashboard"
    one, other = '{"widgets": [{"x": 1}, {"x": 2}]}', '{"widgets": [{"x": 2}, {"x": 1}]}'
    assert lifecycle(token).diff({"dashboardBody": one}, {"dashboardBody": other}).changed == ("dashboardBody",)


def test_the_order_of_a_list_is_no_change() -> None:
    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    assert lifecycle(token).diff({"alarmActions": ["a", "b"]}, {"alarmActions": ["b", "a"]}).changed == ()


def test_both_ways_to_give_an_indexs_keys_are_the_same() -> None:
    token = "aws:dynamodb/table:Table"
    rest = {"name": "by-owner", "projectionType": "ALL"}
    older = {**rest, "hashKey": "owner", "rangeKey": "at"}
    schemas = [{"attributeName": "owner", "keyType": "HASH"}, {"attributeName": "at", "keyType": "RANGE"}]
    newer = {**rest, "keySchemas": schemas}
    assert lifecycle(token).diff({"globalSecondaryIndexes": [older]}, {"globalSecondaryIndexes": [newer]}).changed == ()


def test_code_is_compared_by_its_content() -> None:
    token = "aws:lambda/function:Function"
    before = {"code": Archive(hash="1", path="a")}
    assert lifecycle(token).diff(before, {"code": Archive(hash="1", path="b")}).changed == ()
    assert lifecycle(token).diff(before, {"code": Archive(hash="2", path="a")}).changed == ("code",)


def test_what_the_program_named_is_deleted_before_it_is_made_again() -> None:
    group = {"name": "mine", "logGroupClass": "STANDARD"}
    other = {**group, "logGroupClass": "INFREQUENT_ACCESS"}
    token = "aws:cloudwatch/logGroup:LogGroup"
    assert lifecycle(token).diff(group, other).delete_first
    assert not lifecycle(token).diff(group, {**other, "name": "yours"}).delete_first
    assert not lifecycle(token).diff(group, {**other, "__defaults": ["name"]}).delete_first


def test_a_preview_tells_inputs_and_tags_and_leaves_the_rest_unknown() -> None:
    inputs, _ = lifecycle(QUEUE, Team="data").check("q", {}, {"delaySeconds": 3}, SEED)
    state = lifecycle(QUEUE).create(inputs, preview=True).state
    assert state["delaySeconds"] == 3
    assert state["tagsAll"] == {"Team": "data"}
    assert state["arn"] is UNKNOWN


def test_a_preview_of_an_update_leaves_unknown_only_what_the_update_renews() -> None:
    token = "aws:lambda/function:Function"
    olds, state = {"timeout": 3}, {"arn": "arn", "version": "1", "codeSha256": "hash"}
    seen = lifecycle(token).update("f", state, olds, {"timeout": 4}, preview=True)
    assert seen["version"] is UNKNOWN
    assert (seen["arn"], seen["codeSha256"]) == ("arn", "hash")


@pytest.mark.parametrize("token", sorted(RESOURCES))
def test_every_type_declares_what_it_renews_among_its_outputs(token: str) -> None:
    resource = RESOURCES[token]
    assert set(resource.renewed) <= set(resource.outputs)
    assert set().union(*resource.renewed.values()) <= set(resource.properties)


def test_a_name_that_the_engine_proposes_is_taken_in_the_types_own_letters() -> None:
    checked, _ = lifecycle(QUEUE).check("orders", {}, {}, SEED, "storage-prod-Orders-1a2b3c4")
    assert checked["name"] == "storage-prod-Orders-1a2b3c4"
    assert lifecycle(BUCKET).check("Files", {}, {}, SEED, "storage-prod-Files-1")[0]["bucket"] == "storage-prod-files-1"
    kept, _ = lifecycle(QUEUE).check("orders", checked, {}, SEED, "storage-prod-Orders-another")
    assert kept["name"] == checked["name"]


def test_a_resource_without_a_name_is_refused_where_naming_is_off() -> None:
    _, refused = lifecycle(QUEUE).check("orders", {}, {}, SEED, "")
    assert [(refusal.path, "autonaming is off" in refusal.reason) for refusal in refused] == [("name", True)]
