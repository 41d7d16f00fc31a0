"""What cannot be replicated ends in the dead-letter queue with its reason, and delays nobody else."""

import json

import pytest

from tests.integration.mirror import Mirror
from tests.polling import eventually

pytestmark = pytest.mark.engine


def test_one_targets_missing_bucket_delays_no_other_target_and_its_changes_keep_their_reason(mirror: Mirror) -> None:
    bucket = mirror.bucket("dev")
    listed = mirror.s3.list_object_versions(Bucket=bucket)
    for entry in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
        mirror.s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
    mirror.s3.delete_bucket(Bucket=bucket)
    try:
        mirror.put("outage/first.txt", b"first")
        mirror.put_item("outage", "1", value={"S": "an item is not an object"})
        mirror.wait_until_mirrored("outage/first.txt", targets=("staging",))
        mirror.wait_until_item_mirrored("outage", "1")
        letter = mirror.wait_for_dead_letter(target="dev", naming="outage/first.txt")
        assert letter["error"]["type"] == "NoSuchBucket"
        assert letter["attempts"] == 6
        assert letter["timestamp"]
    finally:
        mirror.s3.create_bucket(Bucket=bucket)
        # As the stack has it: dev's own processing hears of its files by these events.
        mirror.s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
    mirror.send_notice("dev", letter["event"])
    mirror.wait_until_mirrored("outage/first.txt")


@pytest.mark.parametrize("poison", ["not json", json.dumps({"who": "knows"}), json.dumps(["list"])])
def test_a_notice_that_nobody_can_read_goes_to_the_dead_letter_queue_at_once(mirror: Mirror, poison: str) -> None:
    marked = poison.replace("who", "who-poison").replace("list", "list-poison").replace("not json", "not json poison")
    mirror.send_notice("staging", marked)
    mirror.put("beside-poison.txt", marked.encode())
    letter = mirror.wait_for_dead_letter(target="staging", naming="poison")
    assert letter["attempts"] == 1
    mirror.wait_until_mirrored("beside-poison.txt")


def test_a_failure_is_announced_on_the_failure_topic_with_its_target(mirror: Mirror) -> None:
    sns, topic = mirror.sns, mirror.storage["prod"].failure_topic_arn
    queue = mirror.sqs.create_queue(QueueName="failure-subscriber")["QueueUrl"]
    arn = mirror.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"FilterPolicy": json.dumps({"target": ["staging"]})},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    try:
        for target in ("dev", "staging"):
            mirror.send_notice(target, "not json poison for the topic")
        messages = eventually(
            lambda: mirror.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"),
            what="a failure notification for staging",
        )
        notified = [json.loads(json.loads(message["Body"])["Message"]) for message in messages]
        assert {message["target"] for message in notified} == {"staging"}
    finally:
        sns.unsubscribe(SubscriptionArn=subscription)
        mirror.sqs.delete_queue(QueueUrl=queue)


def test_nothing_is_left_in_a_queue_when_all_is_replicated(mirror: Mirror) -> None:
    for route in mirror.replication.routes.values():

        def empty(url: str = route.queue_url) -> bool:
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            counts = mirror.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            return all(int(count) == 0 for count in counts.values())

        eventually(empty, what=f"{route.queue_name} empty", within=120)


def test_a_route_without_its_queue_stops_no_other_route_from_hearing_of_items(mirror: Mirror) -> None:
    route = mirror.replication.routes["dev"]
    names = ["VisibilityTimeout", "MessageRetentionPeriod", "RedrivePolicy"]
    attributes = mirror.sqs.get_queue_attributes(QueueUrl=route.queue_url, AttributeNames=names)["Attributes"]
    mirror.sqs.delete_queue(QueueUrl=route.queue_url)
    try:
        mirror.put_item("unheard", "1", value={"S": "in dev"})
        mirror.wait_until_item_mirrored("unheard", "1", targets=("staging",))
        letter = mirror.wait_for_dead_letter(target="dev", naming="unheard")
        assert "NonExistentQueue" in letter["error"]["type"]
    finally:
        mirror.sqs.create_queue(QueueName=route.queue_name, Attributes=attributes)
    mirror.send_notice("dev", letter["event"])
    mirror.wait_until_item_mirrored("unheard", "1")
