"""What somebody on call does to a deployed replication: look, pause, resume, replicate a key, redrive.

The emulator measures no age of a queue's messages and collects no custom metrics, so that lag and last success are
unknown here; they are tested against CloudWatch's own data in tests/unit.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.deployed_system import DeployedSystem
from pipeline_ops.routes.backlog import Backlog
from pipeline_ops.routes.dead_letters import DeadLetter, DeadLetterQueue, dead_letters
from pipeline_ops.routes.deployed_replication import replication_in
from pipeline_ops.routes.reconciliation import Answer, key_of, reconcile_now
from pipeline_ops.routes.route import SourceRoutes
from pipeline_ops.routes.status import RouteStatus, read_status
from pipeline_ops.routes.switch import set_enabled
from pipeline_ops.running_system import RunningSystem
from pipeline_ops.stack_outputs import StackOutputs
from replication_core.changes import Change
from replication_core.datasets import OBJECTS
from tests.integration.mirror import Mirror
from tests.polling import eventually

pytestmark = pytest.mark.engine


@pytest.fixture
def replication(system: RunningSystem) -> SourceRoutes:
    """The routes as the state has them by now: other tests have deployed other versions of their functions."""
    deployment = system.deployment
    outputs = StackOutputs(deployment.projects, deployment.backend, print)
    return replication_in(DeployedSystem(deployment.projects, outputs, deployment.clients)).replication


@pytest.fixture
def queue(system: RunningSystem, mirror: Mirror) -> DeadLetterQueue:
    processing = ProcessingOutputs.parse(system.outputs["processing/prod"])
    return DeadLetterQueue.of(mirror.storage["prod"], processing, mirror.replication, system.cloud.client)


@pytest.fixture
def empty_dead_letters(queue: DeadLetterQueue) -> Iterator[None]:
    def purge() -> None:
        with dead_letters(queue) as held:
            held.purge(held.letters)

    purge()
    yield
    purge()


@pytest.fixture
def paused_dev(replication: SourceRoutes) -> Iterator[None]:
    set_enabled(replication, replication.route("dev"), enabled=False)
    yield
    set_enabled(replication, replication.route("dev"), enabled=True)


def status_of(replication: SourceRoutes, queue: DeadLetterQueue, target: str) -> RouteStatus:
    (route,) = read_status(replication, target, queue).routes
    return route


@pytest.mark.usefixtures("empty_dead_letters")
def test_an_idle_system_is_healthy(replication: SourceRoutes, queue: DeadLetterQueue, mirror: Mirror) -> None:
    eventually(lambda: read_status(replication, None, queue).healthy, what="every route healthy", within=120)
    status = read_status(replication, None, queue)
    assert [route.target for route in status.routes] == ["dev", "staging"]
    for route in status.routes:
        assert route.state == "enabled"
        assert route.version.isdecimal()
        assert len(route.alarms) == {"dev": 6, "staging": 9}[route.target]


@pytest.mark.needs("pausing")
@pytest.mark.usefixtures("paused_dev")
def test_changes_wait_while_a_route_is_paused_and_arrive_once_it_is_resumed(
    replication: SourceRoutes, queue: DeadLetterQueue, mirror: Mirror
) -> None:
    route = replication.route("dev")
    assert not set_enabled(replication, route, enabled=False), "it is paused already"
    mirror.put("paused/a.txt", b"while paused")
    mirror.wait_until_mirrored("paused/a.txt", targets=("staging",))
    eventually(lambda: status_of(replication, queue, "dev").waiting, what="a change that waits")
    waits = status_of(replication, queue, "dev")
    assert waits.state == "paused"
    assert any("paused" in problem for problem in waits.problems)
    assert status_of(replication, queue, "staging").state == "enabled"
    assert mirror.object("dev", "paused/a.txt") is None
    assert set_enabled(replication, route, enabled=True)
    mirror.wait_until_mirrored("paused/a.txt")


@pytest.mark.usefixtures("paused_dev")
def test_a_key_is_reconciled_at_once_on_a_paused_route_and_drift_is_gone(
    replication: SourceRoutes, mirror: Mirror
) -> None:
    route = replication.route("dev")
    mirror.put("asked/a b+c.txt", b"of prod", ContentType="text/x-asked")
    mirror.put_item("asked", "5", value={"S": "of prod"})

    def reconciled(*words: str) -> Answer:
        return reconcile_now(replication, route, key_of(route.spec, words))

    answer = reconciled("asked/a b+c.txt")
    assert (answer.action, answer.key, answer.size) == ("copied", "asked/a b+c.txt", 7)
    mirror.s3.put_object(Bucket=mirror.bucket("dev"), Key="asked/a b+c.txt", Body=b"edited by hand")
    mirror.s3.put_object(Bucket=mirror.bucket("dev"), Key="asked/extra.txt", Body=b"by hand")
    assert reconciled("asked/a b+c.txt").action == "copied"
    assert mirror.object("dev", "asked/a b+c.txt") == mirror.object("prod", "asked/a b+c.txt")
    assert reconciled("asked/extra.txt").action == "deleted"
    assert mirror.object("dev", "asked/extra.txt") is None
    assert reconciled("asked", "5.0").action == "copied"
    assert mirror.item_is_mirrored("dev", "asked", "5")
    assert reconciled("results/prod/unfinished/x").action == "ignored"


@pytest.mark.usefixtures("empty_dead_letters")
def test_what_a_broken_target_left_in_the_dead_letters_is_redriven_to_zero(
    replication: SourceRoutes, queue: DeadLetterQueue, mirror: Mirror
) -> None:
    # What an earlier test has left to be worked off would become dead letters, too.
    backlog = Backlog(replication=replication, route=replication.route("dev"), quiet_seconds=2)
    assert backlog.worked_off(datetime.now(UTC), within=120)
    bucket = mirror.bucket("dev")
    listed = mirror.s3.list_object_versions(Bucket=bucket)
    for entry in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
        mirror.s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
    mirror.s3.delete_bucket(Bucket=bucket)
    keys = [f"broken/{number}+%20.txt" for number in range(12)]
    try:
        for key in keys:
            mirror.put(key, key.encode())
        eventually(
            lambda: status_of(replication, queue, "dev").dead_letters.get("NoSuchBucket", 0) >= 12,
            what="twelve dead letters for dev",
            within=180,
            every=2,
        )
    finally:
        mirror.s3.create_bucket(Bucket=bucket)
        mirror.s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
    mirror.sqs.send_message(
        QueueUrl=mirror.storage["prod"].dlq_url, MessageBody=json.dumps({"DDBStreamBatchInfo": {"shardId": "s"}})
    )
    with dead_letters(queue) as held:
        assert held.complete
        assert {key for letter in held.letters for key in letter.keys} == set(keys)
    with dead_letters(queue) as held:
        chosen = [letter for letter in held.letters if letter.target == "dev"]
        assert len(chosen) == 12, "looking at them lost none"
        assert held.redrive(chosen, who="a tester", why="the bucket is back") == 12
    mirror.wait_until_mirrored(*keys)
    with dead_letters(queue) as held:
        assert [(letter.reason, letter.event) for letter in held.letters] == [("StreamGap", None)], "not chosen: kept"


@pytest.mark.usefixtures("empty_dead_letters")
def test_what_a_queue_itself_gave_up_is_known_by_its_queue_and_goes_back_there(
    queue: DeadLetterQueue, mirror: Mirror
) -> None:
    sqs, dlq_arn = mirror.sqs, mirror.storage["prod"].dlq_arn
    policy = json.dumps({"deadLetterTargetArn": dlq_arn, "maxReceiveCount": 1})
    attributes = {"RedrivePolicy": policy, "VisibilityTimeout": "0"}
    url = sqs.create_queue(QueueName="gives-up", Attributes=attributes)["QueueUrl"]
    try:
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        given_up_queue = replace(queue, urls={"dev": url}, names={arn: "dev"}, processor=None)
        notice = Change(OBJECTS.record("given/up"), "test").body()
        sqs.send_message(QueueUrl=url, MessageBody=notice)

        def given_up() -> list[DeadLetter]:
            sqs.receive_message(QueueUrl=url)
            with dead_letters(given_up_queue) as held:
                return list(held.letters)

        (letter,) = eventually(given_up, what="the message in the dead-letter queue")
        assert (letter.target, letter.reason, letter.keys) == ("dev", "Unfinished", ("given/up",))
        assert letter.event == notice
    finally:
        sqs.delete_queue(QueueUrl=url)
