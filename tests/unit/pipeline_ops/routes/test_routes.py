"""A route looked at, paused, resumed and asked."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.utils import parse_timestamp

from pipeline_common.contracts import ReplicationOutputs, StorageOutputs, StoredDataset
from pipeline_ops.ages import duration
from pipeline_ops.errors import MISUSED, OperatorError
from pipeline_ops.routes.dead_letters import dead_letters
from pipeline_ops.routes.reconciliation import key_of, reconcile_now
from pipeline_ops.routes.route import SourceRoutes, explained
from pipeline_ops.routes.status import read_status, status_view
from pipeline_ops.routes.switch import require_enabled, set_enabled
from pipeline_ops.terminal import show
from pipeline_ops.where import AWS, Where
from replication_core.datasets import ITEMS, OBJECTS, Dataset, KeyAttribute, KeyType, Kind
from replication_core.route_spec import RoutedDataset
from tests.unit.pipeline_ops.routes.conftest import World
from tests.unit.pipeline_ops.routes.test_dead_letters import envelope, put

NOW = datetime.now(UTC).replace(second=0, microsecond=0)


def test_a_route_at_rest_is_healthy(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    status = read_status(world.replication, None, world.dead_letters)
    assert status.healthy
    (dev, _) = status.routes
    assert (dev.target, dev.state, dev.lag_seconds, dev.waiting) == ("dev", "enabled", 0.0, 0)
    assert (dev.release, dev.version) == ("v1.4.0", "7")
    show(status_view(status))
    assert capsys.readouterr().out.endswith("All is well.\n")


def test_lag_and_last_success_are_cloudwatchs_figures(world: World) -> None:
    world.sqs.send_message(QueueUrl=world.url("dev"), MessageBody="waits")
    for minutes, age in ((3, 50.0), (2, 70.0)):
        world.cloudwatch.put_metric_data(
            Namespace="AWS/SQS",
            MetricData=[
                {
                    "MetricName": "ApproximateAgeOfOldestMessage",
                    "Dimensions": [{"Name": "QueueName", "Value": "dev-queue_name"}],
                    "Timestamp": NOW - timedelta(minutes=minutes),
                    "Value": age,
                }
            ],
        )
    for minutes, changes in ((90, 4.0), (5, 0.0)):
        world.cloudwatch.put_metric_data(
            Namespace="DataPipeline/SourceRoutes",
            MetricData=[
                {
                    "MetricName": "ReplicatedChanges",
                    "Dimensions": [{"Name": "target", "Value": "dev"}],
                    "Timestamp": NOW - timedelta(minutes=minutes),
                    "Value": changes,
                }
            ],
        )
    (dev,) = read_status(world.replication, "dev", world.dead_letters, now=NOW).routes
    assert (dev.lag_seconds, dev.waiting) == (70.0, 1)
    assert dev.last_success == NOW - timedelta(minutes=90)


def test_what_is_waited_for_without_a_figure_is_unknown_and_not_none(world: World) -> None:
    world.sqs.send_message(QueueUrl=world.url("dev"), MessageBody="waits")
    dev, staging = read_status(world.replication, None, world.dead_letters).routes
    assert (dev.lag_seconds, staging.lag_seconds) == (None, 0.0)


def test_dead_letters_are_counted_by_route_and_reason_and_those_of_no_route_apart(world: World) -> None:
    for _ in range(2):
        put(world, envelope())
    put(world, envelope(target="staging", type_="Archived"))
    put(world, envelope(target="prod", type_="FailedRun"))
    status = read_status(world.replication, "dev", world.dead_letters)
    (dev,) = status.routes
    assert dev.dead_letters == {"NoSuchBucket": 2}
    assert status.other_dead_letters == {"FailedRun": 1}
    assert not status.healthy
    assert dev.problems == ["2 dead letters: `nox -s redrive -- --route dev`"]


def test_an_alarm_that_fires_is_a_problem(world: World) -> None:
    world.cloudwatch.put_metric_alarm(
        AlarmName="dev-alarm_names",
        MetricName="m",
        Namespace="n",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    world.cloudwatch.set_alarm_state(AlarmName="dev-alarm_names", StateValue="ALARM", StateReason="test")
    dev, staging = read_status(world.replication, None, world.dead_letters).routes
    assert dev.problems == ["in alarm: dev-alarm_names"]
    assert staging.problems == []


def problems(world: World) -> list[str]:
    """What keeps changes from being noticed, without the sentence that says what helps."""
    status = read_status(world.replication, None, world.dead_letters)
    assert not status.healthy
    assert status.problems[-1].startswith("`nox -s refresh -- replication prod`, then `nox -s deploy")
    return list(status.problems[:-1])


def route_problems(world: World, target: str = "dev") -> list[str]:
    """What keeps changes from one route, while the others have no problem."""
    status = read_status(world.replication, None, world.dead_letters)
    assert [route.target for route in status.routes if route.problems] == [target]
    (sentence,) = status.problems
    assert sentence.startswith("`nox -s refresh -- replication prod`, then `nox -s deploy")
    return next(route.problems for route in status.routes if route.target == target)


def test_a_rule_that_is_disabled_is_a_problem_of_its_route(world: World) -> None:
    world.events.disable_rule(Name="dev-rule_name")
    assert route_problems(world) == ["its rule dev-rule_name is disabled: changes are not noticed, and lost"]


def test_a_rule_without_its_routes_queue_is_a_problem(world: World) -> None:
    world.events.remove_targets(Rule="staging-rule_name", Ids=["staging"])
    assert route_problems(world, "staging") == [
        "its rule staging-rule_name does not have its queue as target: it gets none"
    ]


def test_a_rule_of_another_bucket_or_of_none_at_all_is_a_problem(world: World) -> None:
    world.events.put_rule(Name="dev-rule_name", EventPattern=json.dumps({"detail": {"bucket": {"name": ["earlier"]}}}))
    assert route_problems(world) == ["its rule dev-rule_name is not of the bucket that storage names, prod-data"]
    world.events.remove_targets(Rule="dev-rule_name", Ids=["dev"])
    world.events.delete_rule(Name="dev-rule_name")
    (problem,) = route_problems(world)
    assert problem.startswith("The rule dev-rule_name can't be looked at: ")


def test_a_bucket_that_sends_no_events_is_a_problem(world: World) -> None:
    world.s3.get_bucket_notification_configuration = lambda **_: {}
    assert problems(world) == ["the bucket prod-data sends EventBridge no events: changes of objects are lost"]


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({"State": "Disabled"}, "is paused for the table prod-data: changes of items are lost after 24 hours"),
        ({"State": "Disabling"}, "is disabling"),
        ({"EventSourceArn": "arn:earlier"}, "reads another stream than that of the table prod-data"),
        (
            {"LastProcessingResult": "PROBLEM: Function call failed"},
            "could not work on its last batch of the table prod-data: PROBLEM: Func",
        ),
    ],
)
def test_a_notifier_that_announces_nothing_is_a_problem(world: World, told: dict[str, str], problem: str) -> None:
    world.functions.mappings["notifier-of-items"] |= told
    (found,) = problems(world)
    assert found.startswith(f"notifier_function_name {problem}")


def test_a_table_that_was_made_again_is_a_problem(world: World) -> None:
    world.dynamodb.delete_table(TableName="prod-data")
    world.dynamodb.create_table(
        TableName="prod-data",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    (found,) = problems(world)
    assert "reads another stream than that of the table prod-data, which was made again, or has none" in found


def test_what_no_notifier_reads_is_not_looked_at(world: World) -> None:
    world.s3.get_bucket_notification_configuration = lambda **_: {}
    recorded = replace(world.replication, notifier_function_name="")
    assert read_status(recorded, None, world.dead_letters).healthy


ORDERS = Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.STRING), KeyAttribute("sk", KeyType.NUMBER)))
ARCHIVE = Dataset("archive", Kind.BUCKET, OBJECTS.key)


def with_more(world: World, *datasets: Dataset, name: str = "more", **mappings: str) -> SourceRoutes:
    """Return the replication of a source that has these datasets too, as both routes' targets have."""

    def having_more(storage: StorageOutputs) -> StorageOutputs:
        more = {each.name: StoredDataset(dataset=each, name=name, arn="unused") for each in datasets}
        return replace(storage, datasets={**storage.datasets, **more})

    replication = world.replication
    return replace(
        replication,
        source=having_more(replication.source),
        target_storage=lambda target: having_more(replication.target_storage(target)),
        notifier_mappings={**replication.notifier_mappings, **mappings},
    )


def routing_more(world: World, *datasets: Dataset) -> None:
    """Have both routes get these datasets too."""
    for target in ("dev", "staging"):
        others = tuple(RoutedDataset(dataset=each, source="more", target="more") for each in datasets)
        world.change(target, others=others)


def made_more(world: World) -> str:
    """Make the bucket and the table of these datasets, and return the table's stream."""
    world.s3.create_bucket(Bucket="more")
    return str(
        world.dynamodb.create_table(
            TableName="more",
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        )["TableDescription"]["LatestStreamArn"]
    )


def looked_at(world: World, replication: SourceRoutes) -> tuple[list[str], list[str]]:
    """What keeps changes from being noticed, and what is wrong with the route to dev."""
    status = read_status(replication, None, world.dead_letters)
    return list(status.problems[:-1]), status.routes[0].problems


def test_what_reads_each_table_and_tells_of_each_bucket_is_looked_at(world: World) -> None:
    stream = made_more(world)
    routing_more(world, ORDERS, ARCHIVE)
    told = {"bucket": {"name": ["prod-data", "more"]}}
    for target in ("dev", "staging"):
        world.events.put_rule(Name=f"{target}-rule_name", EventPattern=json.dumps({"detail": told}))
    world.functions.mappings["orders-mapping"] = {"State": "Enabled", "EventSourceArn": stream}
    everything = with_more(world, ORDERS, ARCHIVE, orders="orders-mapping")
    assert read_status(everything, None, world.dead_letters).healthy
    world.functions.mappings["orders-mapping"]["State"] = "Disabled"
    noticed, _ = looked_at(world, everything)
    assert noticed == ["notifier_function_name is paused for the table more: changes of items are lost after 24 hours"]
    noticed, _ = looked_at(world, with_more(world, ORDERS, ARCHIVE))
    assert noticed == ["notifier_function_name does not read the table more: changes of items are lost after 24 hours"]
    world.s3.get_bucket_notification_configuration = lambda Bucket: (  # noqa: N803 - boto3's own name
        {} if Bucket == "more" else {"EventBridgeConfiguration": {}}
    )
    noticed, _ = looked_at(world, with_more(world, ARCHIVE))
    assert noticed == ["the bucket more sends EventBridge no events: changes of objects are lost"]


def test_a_rule_that_is_not_of_every_bucket_that_the_route_gets_is_a_problem(world: World) -> None:
    made_more(world)
    routing_more(world, ARCHIVE)
    _, dev = looked_at(world, with_more(world, ARCHIVE))
    assert dev == ["its rule dev-rule_name is not of the bucket that storage names, more"]


@pytest.mark.parametrize(
    ("stored", "name", "problem"),
    [
        ([ORDERS], "later", "its table of orders is more, and the stacks name later"),
        ([], "", "its table of orders is more, and the stacks name none"),
        (
            [replace(ORDERS, key=ITEMS.key)],
            "more",
            "its table of orders has another key, or is of another kind, than the stacks say",
        ),
        ([ORDERS, ARCHIVE], "more", "it was deployed before storage had the dataset archive"),
    ],
)
def test_each_dataset_of_a_route_is_compared_with_what_storage_has(
    world: World, stored: list[Dataset], name: str, problem: str
) -> None:
    made_more(world)
    routing_more(world, ORDERS)
    _, dev = looked_at(world, with_more(world, *stored, name=name))
    assert dev[0].startswith(problem)


def test_the_one_mapping_of_a_former_release_is_that_of_items(world: World) -> None:
    contract: Any = {each.name: each.name for each in fields(ReplicationOutputs)} | {"routes": {}}
    del contract["notifier_mappings"]
    replication = world.replication
    former = SourceRoutes.of(
        replication.source, ReplicationOutputs(**contract), replication.client, replication.target_storage
    )
    assert former.notifier_mappings == {"items": "notifier_event_source_mapping_id"}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("source_bucket", "bucket"),
        ("source_table", "table"),
        ("dlq_url", "dead-letter queue"),
        ("target_bucket", "target bucket"),
        ("target_table", "target table"),
    ],
)
def test_a_route_of_other_stores_than_storage_names_is_a_problem(world: World, name: str, what: str) -> None:
    world.change("staging", **{name: "earlier"})
    status = read_status(world.replication, None, world.dead_letters)
    assert [route.target for route in status.routes if route.problems] == ["staging"]
    ((problem,),) = [route.problems for route in status.routes if route.problems]
    assert problem.startswith(f"its {what} is earlier, and the stacks name ")
    assert len(status.problems) == 1


def test_a_target_whose_storage_is_not_deployed_is_a_problem_of_its_own_route(world: World) -> None:
    def target_storage(target: str) -> StorageOutputs:
        if target == "dev":
            raise OperatorError("storage/dev is not deployed: `deploy it`.")
        return world.replication.target_storage(target)

    dev, staging = read_status(
        replace(world.replication, target_storage=target_storage), None, world.dead_letters
    ).routes
    assert dev.problems == ["storage/dev is not deployed: `deploy it`."]
    assert staging.problems == []


def test_a_trail_that_records_nothing_is_a_problem(world: World) -> None:
    recorded = replace(world.replication, notifier_function_name="", trail_name="audit")
    (problem, _) = read_status(recorded, None, world.dead_letters).problems
    assert problem == "the trail audit is not there: changes are not noticed, and lost"
    cloudtrail = recorded.client("cloudtrail", region=recorded.region)
    cloudtrail.create_trail(Name="audit", S3BucketName="prod-data")
    (problem, _) = read_status(recorded, None, world.dead_letters).problems
    assert problem.startswith("the trail audit does not record, since its logging is stopped: ")
    cloudtrail.start_logging(Name="audit")
    assert read_status(recorded, None, world.dead_letters).healthy


def test_a_route_that_can_not_be_looked_at_hides_no_other(world: World) -> None:
    world.sqs.delete_queue(QueueUrl=world.url("staging"))
    status = read_status(world.replication, None, world.dead_letters)
    assert [route.target for route in status.routes] == ["dev"]
    (problem,) = status.problems
    assert problem.startswith("The route to staging can't be looked at: ")
    assert not status.healthy


def test_a_route_of_another_release_hides_no_other(world: World) -> None:
    world.specs["staging"] = {"schema": "another"}
    status = read_status(world.replication, None, world.dead_letters)
    assert [route.target for route in status.routes] == ["dev", "staging"]
    (problem,) = status.routes[1].problems
    assert "was deployed by another release" in problem


RECORDED = Path(__file__).parents[3] / "recorded" / "release_1" / "functions"


def recorded_environment(world: World, target: str) -> dict[str, str]:
    """Return what the first release told a route's function, with the names of the stores and queues that are here.

    It did not say what it is.
    """
    variables: dict[str, str] = json.loads((RECORDED / f"replicator_{target}.json").read_text())
    later = {"release", "brake_table"}
    here = {name: value for name, value in vars(world.settings).items() if isinstance(value, str) and name not in later}
    here |= {"target": target, "queue_url": world.url(target)}
    assert {f"REPLICATOR_{name.upper()}" for name in here} <= variables.keys()
    return variables | {f"REPLICATOR_{name.upper()}": value for name, value in here.items()}


def test_a_route_of_the_first_release_is_what_its_functions_environment_says(world: World) -> None:
    changed: Any = {"object_exclude": ("results/prod/unfinished/",), "release": ""}
    expected = {target: world.change(target, **changed) for target in world.specs}
    for target in world.specs:
        world.specs[target] = {}
        world.functions.variables[f"{target}:live"] = recorded_environment(world, target)
    replication = world.replication
    assert {target: route.spec for target, route in replication.routes.items()} == expected
    assert read_status(replication, None, world.dead_letters).healthy
    del world.functions.variables["dev:live"]["REPLICATOR_TARGET_BUCKET"]
    with pytest.raises(OperatorError, match="REPLICATOR_TARGET_BUCKET is not set"):
        _ = world.replication.route("dev").spec


def test_letters_that_somebody_looks_at_are_counted(world: World) -> None:
    put(world, envelope())
    put(world, envelope(target="staging"))
    with dead_letters(world.dead_letters):
        status = read_status(world.replication, None, world.dead_letters)
    assert (status.letters_out_of_sight, status.healthy) == (2, False)
    assert status.exported()["dead_letters_out_of_sight"] == 2
    status = read_status(world.replication, None, world.dead_letters)
    assert status.letters_out_of_sight == 0
    assert [route.dead_letters for route in status.routes] == [{"NoSuchBucket": 1}, {"NoSuchBucket": 1}]


def test_a_target_that_is_none_is_refused_with_those_there_are(world: World) -> None:
    with pytest.raises(OperatorError, match="the targets are dev, staging") as refused:
        read_status(world.replication, "qa", world.dead_letters)
    assert refused.value.exit_code == MISUSED


def test_pausing_waits_until_lambda_says_so(world: World) -> None:
    world.functions.states = ["Enabled", "Disabling", "Disabling", "Disabled"]
    waits: list[float] = []
    assert set_enabled(world.replication, world.replication.route("dev"), enabled=False, pause=waits.append)
    assert world.functions.asked == [{"UUID": "dev-event_source_mapping_id", "Enabled": False}]
    assert len(waits) == 2
    assert not set_enabled(world.replication, world.replication.route("dev"), enabled=False)


def test_pausing_gives_up_with_the_command_that_tells_more(world: World) -> None:
    world.functions.states = ["Enabled", "Disabling"]
    seconds = iter(range(0, 10_000, 60))
    with pytest.raises(OperatorError, match=r"still disabling after 180 s: `nox -s status -- dev`"):
        set_enabled(
            world.replication,
            world.replication.route("dev"),
            enabled=False,
            pause=lambda _: None,
            clock=lambda: float(next(seconds)),
        )


def test_a_route_is_asked_with_a_notice_and_says_what_it_did_and_why(world: World) -> None:
    world.functions.told = [{"key": "i@1.5", "action": "copied", "size": 0, "rereads": 2, "error": None}]
    key = key_of(world.settings.spec, ["i", "1.50"])
    answer = reconcile_now(world.replication, world.replication.route("dev"), key)
    (call,) = world.functions.asked
    assert call["FunctionName"] == "dev:live"
    assert (call["Payload"]["kind"], call["Payload"]["id"], call["Payload"]["timestamp"]) == ("item", "i", "1.5")
    assert "after the source changed 2 times" in answer.sentence()
    assert not answer.failed


def test_what_the_route_could_not_do_is_a_failure_with_its_reason(world: World) -> None:
    error = {"type": "NoSuchBucket", "message": "it is gone"}
    world.functions.told = [{"key": "k", "action": "failed", "size": 0, "rereads": 0, "error": error}]
    answer = reconcile_now(world.replication, world.replication.route("dev"), key_of(world.settings.spec, ["k"]))
    assert answer.failed
    assert answer.sentence() == "dev k: failed; NoSuchBucket: it is gone"


@pytest.mark.parametrize(
    ("told", "error", "says"),
    [
        ({"errorMessage": "boom"}, "Unhandled", "gave no answer for k: boom.*dev-log_group_name"),
        (None, "Unhandled", "it ended without one"),
        ([], None, "had no time for k: raise replication:timeoutSeconds"),
        (["copied"], None, "is of another release, whose answer for k is not understood"),
        ([{"key": "k", "action": "copied"}], None, "is of another release"),
        ([{"key": "k", "action": "x", "size": 0, "rereads": 0, "error": "text"}], None, "is of another release"),
    ],
)
def test_a_route_that_does_not_answer_is_named_with_its_log(
    world: World, told: object, error: str | None, says: str
) -> None:
    world.functions.told, world.functions.error = told, error
    with pytest.raises(OperatorError, match=says):
        reconcile_now(world.replication, world.replication.route("dev"), key_of(world.settings.spec, ["k"]))


def test_an_answer_that_can_not_be_read_is_a_sentence_and_a_fault_of_the_program_is_not() -> None:
    says = r"It can't be looked at: the answer can't be read, at botocore\.utils"
    with pytest.raises(OperatorError, match=says), explained("It can't be looked at"):
        parse_timestamp("")
    with pytest.raises(KeyError), explained("It can't be looked at"):
        raise KeyError("ours")


def test_an_items_key_is_told_by_its_timestamp(world: World) -> None:
    spec = world.settings.spec
    assert key_of(spec, ["i", "007"]) == ITEMS.record("i", "7")
    with pytest.raises(OperatorError, match="not a number") as refused:
        key_of(spec, ["i", "seven"])
    assert refused.value.exit_code == MISUSED


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (180_000, "2 d 2 h")]
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("where", "options"),
    [
        (AWS, ""),
        (Where(local=True), " --local"),
        (Where(endpoint="http://localhost:4566"), " --endpoint http://localhost:4566"),
    ],
)
def test_what_helps_a_route_goes_where_the_route_is(world: World, where: Where, options: str) -> None:
    replication = world.replication_at(where)
    world.functions.states = ["Disabled"]
    put(world, envelope())
    dev = read_status(replication, "dev", world.dead_letters).routes[0]
    assert any(f"`nox -s redrive -- --route dev{options}`" in problem for problem in dev.problems)
    with pytest.raises(OperatorError, match=f"`nox -s resume -- dev{options}` first"):
        require_enabled(replication, dev_route := replication.route("dev"))
    with pytest.raises(OperatorError, match=f"`nox -s status -- dev{options}` says"):
        set_enabled(
            replication, dev_route, enabled=True, pause=lambda _: None, clock=iter(range(0, 9999, 100)).__next__
        )
    world.specs["dev"] = {}
    with pytest.raises(OperatorError, match=f"`nox -s deploy -- replication prod{options}` deploys"):
        _ = world.replication_at(where).route("dev").spec
