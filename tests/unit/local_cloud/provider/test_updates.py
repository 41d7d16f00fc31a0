"""Which calls an update in place makes, for the types of which the declarations alone decide it."""

from collections.abc import Mapping
from typing import Any

import pytest

from local_cloud.provider.configuration import Settings
from local_cloud.provider.iam import Role
from local_cloud.provider.kms import Key
from local_cloud.provider.lambda_ import Alias
from local_cloud.provider.logs import LogGroup
from local_cloud.provider.resource import RefusedError, Resource, ResourceUpdate
from local_cloud.provider.session import Session
from local_cloud.provider.sns import Topic, TopicSubscription
from local_cloud.provider.sqs import Queue

Calls = list[tuple[str, dict[str, Any]]]


class Recording(Session):
    """A session whose clients write down what they are asked."""

    def __init__(self) -> None:
        settings = Settings(
            region="", access_key="", secret_key="", endpoints={}, default_tags={}, allowed_account_ids=()
        )
        super().__init__(settings)
        self.calls: Calls = []

    def client(self, service: str, region: str | None = None) -> Any:
        return self

    def __getattr__(self, operation: str) -> Any:
        return lambda **parameters: self.calls.append((operation, parameters))


def asked(kind: type[Resource], olds: Mapping[str, Any], news: Mapping[str, Any]) -> Calls:
    session = Recording()
    names = frozenset(name for name, each in kind.declared().items() if not each.same(olds.get(name), news.get(name)))
    kind(session, "", {**news, "arn": "arn"}, lambda _: None).apply("id", ResourceUpdate(olds, news, names))
    return session.calls


def test_a_key_is_turned_on_before_any_other_change_and_off_after_it() -> None:
    olds = {"isEnabled": True, "enableKeyRotation": False, "description": "a"}
    assert [call for call, _ in asked(Key, olds, {"isEnabled": False, "enableKeyRotation": True})] == [
        "enable_key",
        "update_key_description",
        "enable_key_rotation",
        "disable_key",
    ]


def test_what_no_call_takes_is_only_recorded() -> None:
    assert asked(Key, {"deletionWindowInDays": 7}, {"deletionWindowInDays": 8}) == []
    assert asked(LogGroup, {"skipDestroy": False}, {"skipDestroy": True}) == []


def test_what_is_put_alone_is_dropped_alone() -> None:
    group, given = {"logGroupName": "id"}, {"retentionInDays": 7, "kmsKeyId": "key"}
    assert asked(LogGroup, {"retentionInDays": 0}, given) == [
        ("put_retention_policy", {**group, "retentionInDays": 7}),
        ("associate_kms_key", {**group, "kmsKeyId": "key"}),
    ]
    assert asked(LogGroup, given, {"retentionInDays": 0}) == [
        ("delete_retention_policy", group),
        ("disassociate_kms_key", group),
    ]
    role = {"maxSessionDuration": 3600}
    assert asked(Role, {**role, "permissionsBoundary": "arn"}, role) == [
        ("delete_role_permissions_boundary", {"RoleName": "id"})
    ]


def test_an_attribute_that_is_no_more_given_gets_what_aws_takes_for_that() -> None:
    queue = {"QueueUrl": "id"}
    olds, news = {"redrivePolicy": '{"a": 1}', "delaySeconds": 1}, {"delaySeconds": 0}
    attributes = {"DelaySeconds": "0", "RedrivePolicy": ""}
    assert asked(Queue, olds, news) == [("set_queue_attributes", {**queue, "Attributes": attributes})]
    assert asked(Queue, {"maxMessageSize": 1024}, {}) == []
    assert [call["AttributeValue"] for _, call in asked(Topic, {"tracingConfig": "Active"}, {})] == ["PassThrough"]
    alias = {"functionName": "f", "name": "live", "functionVersion": "1"}
    weights = {"routingConfig": {"additionalVersionWeights": {"2": 0.5}}}
    place = {"FunctionName": "f", "Name": "live"}
    assert asked(Alias, {**alias, **weights}, alias) == [
        ("update_alias", {**place, "RoutingConfig": {"AdditionalVersionWeights": {}}})
    ]


def test_tags_are_changed_by_the_keys_that_differ() -> None:
    olds, news = {"tags": {"kept": "1", "changed": "1", "gone": "1"}}, {"tags": {"kept": "1", "changed": "2"}}
    assert asked(Key, olds, news) == [
        ("untag_resource", {"KeyId": "id", "TagKeys": ["gone"]}),
        ("tag_resource", {"KeyId": "id", "Tags": [{"TagKey": "changed", "TagValue": "2"}]}),
    ]


def test_what_no_call_changes_is_refused() -> None:
    with pytest.raises(RefusedError, match="endpoint cannot be changed in place"):
        asked(TopicSubscription, {"endpoint": "a"}, {"endpoint": "b"})
