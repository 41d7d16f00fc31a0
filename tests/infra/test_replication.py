"""The replication, as its committed configuration makes it, and what it refuses."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline_common.contracts import MissingOutputError, ReplicationOutputs, StorageOutputs
from pipeline_common.holds import Hold
from pipeline_common.infra.part import Part, Shift, part_of_program
from pipeline_common.infra.stack_config import StackConfigError
from pipeline_common.infra.stack_references import StackOutputError
from replication_core.route_spec import NOTIFICATIONS, ROUTE_FILE, ROUTES_FILE, RouteSpec
from tests.infra.deployed import TARGETS, committed_replication, replication, stack_outputs, storage
from tests.infra.iam import allows
from tests.infra.recording import ACCOUNT, REGION, Recording, committed_config
from tests.made_route import MadeRoute

PROD = "organization/storage/prod"
FUNCTION = "aws:lambda/function:Function"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"


@pytest.fixture(scope="module")
def deployed() -> Recording:
    return committed_replication()


@pytest.fixture
def source() -> StorageOutputs:
    return StorageOutputs.parse(storage("prod").outputs)


def replica(target: str) -> StorageOutputs:
    return StorageOutputs.parse(storage(target).outputs)


# Capture


@pytest.mark.parametrize("target", TARGETS)
def test_a_routes_rule_matches_every_change_that_it_gets_of_the_sources_bucket_and_of_no_other(
    deployed: Recording, source: StorageOutputs, target: str
) -> None:
    rule = deployed.named("aws:cloudwatch/eventRule:EventRule", f"route-{target}-rule")
    pattern = json.loads(rule.inputs["eventPattern"])
    assert pattern["source"] == ["aws.s3"]
    assert pattern["detail"] == {
        "bucket": {"name": [source.bucket_name]},
        "object": {"key": [{"anything-but": {"prefix": "results/prod/unfinished/"}}]},
    }
    assert set(pattern["detail-type"]) >= {
        "Object Created",
        "Object Deleted",
        "Object Tags Added",
        "Object Tags Deleted",
        "Object ACL Updated",
    }
    assert "eventBusName" not in rule.inputs, "S3 sends to the account's default bus"


@pytest.mark.parametrize("target", TARGETS)
def test_a_routes_queue_gets_the_rules_events_and_what_can_not_be_delivered_is_a_dead_letter(
    deployed: Recording, source: StorageOutputs, target: str
) -> None:
    route = ReplicationOutputs.parse(deployed.outputs)
    sent = deployed.named("aws:cloudwatch/eventTarget:EventTarget", f"route-{target}-events").inputs
    assert sent["rule"] == route.routes[target].rule_name
    assert sent["arn"] == route.routes[target].queue_arn
    assert sent["deadLetterConfig"] == {"arn": source.dlq_arn}
    assert sent["retryPolicy"]["maximumRetryAttempts"] == 185
    assert not {"input", "inputPath", "inputTransformer"} & set(sent), "the raw event has the raw key"


@pytest.mark.parametrize("target", TARGETS)
def test_a_routes_queue_takes_events_of_its_own_rule_alone_and_of_the_former_one_until_it_is_gone(
    deployed: Recording, target: str
) -> None:
    outputs = ReplicationOutputs.parse(deployed.outputs)
    policy = deployed.named("aws:sqs/queuePolicy:QueuePolicy", f"route-{target}-queue-policy").document()

    def taken(rule: str, account: str = ACCOUNT) -> bool:
        context = {"aws:SourceArn": rule, "aws:SourceAccount": account, "aws:SecureTransport": "true"}
        arn = outputs.routes[target].queue_arn
        return allows(policy, "sqs:SendMessage", arn, principal="events.amazonaws.com", context=context)

    rules = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"
    (own, other) = (outputs.routes[name].rule_arn for name in sorted(TARGETS, key=lambda name: name != target))
    assert taken(own)
    assert taken(f"{rules}/replication-prod-objects-rule-1a2b3c4")
    assert not taken(own, account="999999999999")
    assert not taken(other)
    assert not taken(f"{rules}/another")
    assert not taken(f"{rules}/another-replication-prod-objects-rule-1a2b3c4")


def test_the_notifier_reads_the_stream_from_its_oldest_record_and_loses_nothing(
    deployed: Recording, source: StorageOutputs
) -> None:
    mapping = deployed.named(MAPPING, "items-mapping").inputs
    assert mapping["eventSourceArn"] == source.datasets["items"].stream_arn
    assert mapping["startingPosition"] == "TRIM_HORIZON"
    assert mapping["bisectBatchOnFunctionError"] is True
    assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["destinationConfig"] == {"onFailure": {"destinationArn": source.dlq_arn}}
    assert 0 < mapping["maximumRecordAgeInSeconds"] < 24 * 3600
    assert mapping["maximumRetryAttempts"] > 0


def test_the_notifier_announces_on_the_queues_of_the_targets_that_get_items() -> None:
    targets = [{"environment": "dev"}, {"environment": "staging", "items": False}]
    deployed = replication({"replication:targets": targets})
    served = deployed.named(FUNCTION, "items-notifier").archived(ROUTES_FILE)
    routes = ReplicationOutputs.parse(deployed.outputs).routes
    assert [RouteSpec.parse(each).queue_url for each in served] == [routes["dev"].queue_url]
    rights = deployed.named("aws:iam/rolePolicy:RolePolicy", "items-notifier-rights").document()
    assert allows(rights, "sqs:SendMessage", routes["dev"].queue_arn)
    assert not allows(rights, "sqs:SendMessage", routes["staging"].queue_arn)


# Routes


def route_of(deployed: Recording, target: str = "dev") -> RouteSpec:
    return RouteSpec.parse(deployed.named(FUNCTION, f"route-{target}-replicator").archived(ROUTE_FILE))


@pytest.mark.parametrize("target", TARGETS)
def test_a_route_knows_its_source_its_target_and_where_it_reports(
    deployed: Recording, source: StorageOutputs, target: str
) -> None:
    contract = ReplicationOutputs.parse(deployed.outputs).routes[target]
    expected = MadeRoute(
        target=target,
        source_environment="prod",
        source_bucket=source.bucket_name,
        source_table=source.table_name,
        source_region=source.region,
        target_bucket=replica(target).bucket_name,
        target_table=replica(target).table_name,
        target_region=replica(target).region,
        queue_url=contract.queue_url,
        dlq_url=source.dlq_url,
        success_topic_arn=source.success_topic_arn,
        failure_topic_arn=source.failure_topic_arn,
        release=deployed.outputs["release"],
        object_exclude=("results/prod/unfinished/",),
    ).spec
    found = route_of(deployed, target)
    of_masking = {name: getattr(found, name) for name in ("masking", "mask_key_arn", "brake_table")}
    assert found == replace(expected, **of_masking)
    assert RouteSpec.parse(contract.spec) == found


@pytest.mark.parametrize("mode", NOTIFICATIONS)
def test_a_route_notifies_as_the_configuration_says(mode: str) -> None:
    deployed = replication({"replication:notifications": mode})
    assert route_of(deployed).notifications == mode


@pytest.mark.parametrize("target", TARGETS)
def test_a_route_invokes_the_live_alias_of_a_published_version_with_partial_failures_and_a_limit(
    deployed: Recording, target: str
) -> None:
    route = ReplicationOutputs.parse(deployed.outputs).routes[target]
    mapping = deployed.named(MAPPING, f"route-{target}-mapping").inputs
    assert mapping["eventSourceArn"] == route.queue_arn
    assert mapping["functionName"] == route.alias_arn
    assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["scalingConfig"] == {"maximumConcurrency": 5}
    function = deployed.named(FUNCTION, f"route-{target}-replicator").inputs
    assert function["publish"] is True
    assert (function["runtime"], function["architectures"]) == ("python3.13", ["arm64"])
    assert function["loggingConfig"]["logGroup"] == route.log_group_name
    alias = deployed.named("aws:lambda/alias:Alias", f"route-{target}-replicator-live").inputs
    assert (alias["name"], alias["functionVersion"]) == ("live", "1")


@pytest.mark.parametrize("target", TARGETS)
def test_a_message_outlasts_the_functions_tries_and_then_is_a_dead_letter(
    deployed: Recording, source: StorageOutputs, target: str
) -> None:
    queue = deployed.named("aws:sqs/queue:Queue", f"route-{target}-queue").inputs
    function = deployed.named(FUNCTION, f"route-{target}-replicator").inputs
    assert queue["visibilityTimeoutSeconds"] >= 6 * function["timeout"]
    assert json.loads(queue["redrivePolicy"]) == {"deadLetterTargetArn": source.dlq_arn, "maxReceiveCount": 10}
    assert queue["messageRetentionSeconds"] == 14 * 24 * 3600


def test_logs_are_kept_for_as_long_as_configured() -> None:
    deployed = replication({"replication:logRetentionDays": 90})
    groups = deployed.of("aws:cloudwatch/logGroup:LogGroup")
    assert {group.inputs["retentionInDays"] for group in groups} == {90}
    assert len(groups) == len(deployed.of(FUNCTION))


def rights_of(deployed: Recording, target: str) -> dict[str, Any]:
    return deployed.named("aws:iam/rolePolicy:RolePolicy", f"route-{target}-replicator-rights").document()


@pytest.mark.parametrize(("target", "other"), [("dev", "staging"), ("staging", "dev")])
def test_a_route_may_do_what_it_does_and_nothing_else(
    deployed: Recording, source: StorageOutputs, target: str, other: str
) -> None:
    rights = rights_of(deployed, target)
    routes = ReplicationOutputs.parse(deployed.outputs).routes
    own, foreign = replica(target), replica(other)
    logs = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group"
    allowed = [
        *((action, f"{source.datasets['objects'].arn}/a/key") for action in ("s3:GetObject", "s3:GetObjectVersion")),
        *(
            (action, f"{source.datasets['objects'].arn}/a/key")
            for action in ("s3:GetObjectTagging", "s3:GetObjectVersionTagging")
        ),
        ("s3:ListBucket", source.datasets["objects"].arn),
        ("s3:ListBucket", own.datasets["objects"].arn),
        *(
            (f"s3:{action}", f"{own.datasets['objects'].arn}/a/key")
            for action in ("PutObject", "PutObjectTagging", "DeleteObject")
        ),
        *((f"s3:{action}", f"{own.datasets['objects'].arn}/a/key") for action in ("AbortMultipartUpload", "GetObject")),
        *(
            (f"s3:{action}", f"{own.datasets['objects'].arn}/a/key")
            for action in ("GetObjectTagging", "PutObjectVersionTagging")
        ),
        ("dynamodb:BatchGetItem", source.datasets["items"].arn),
        ("dynamodb:BatchWriteItem", own.datasets["items"].arn),
        *((f"sqs:{action}", routes[target].queue_arn) for action in ("ReceiveMessage", "DeleteMessage")),
        *((f"sqs:{action}", routes[target].queue_arn) for action in ("ChangeMessageVisibility", "GetQueueAttributes")),
        ("sqs:SendMessage", source.dlq_arn),
        ("sns:Publish", source.success_topic_arn),
        ("sns:Publish", source.failure_topic_arn),
        ("logs:CreateLogStream", f"{logs}:{routes[target].log_group_name}:log-stream:one"),
        ("logs:PutLogEvents", f"{logs}:{routes[target].log_group_name}:log-stream:one"),
    ]
    denied = [
        *((f"s3:{action}", f"{source.datasets['objects'].arn}/a/key") for action in ("PutObject", "DeleteObject")),
        *(
            (f"s3:{action}", f"{source.datasets['objects'].arn}/a/key")
            for action in ("DeleteObjectVersion", "PutObjectTagging")
        ),
        *(
            (f"s3:{action}", f"{foreign.datasets['objects'].arn}/a/key")
            for action in ("PutObject", "DeleteObject", "GetObject")
        ),
        # A copy takes annotations along unless it is told not to, and then needs these rights.
        ("s3:GetObjectAnnotation", f"{source.datasets['objects'].arn}/a/key"),
        ("s3:PutObjectAnnotation", f"{own.datasets['objects'].arn}/a/key"),
        ("s3:DeleteObjectVersion", f"{own.datasets['objects'].arn}/a/key"),
        ("s3:PutBucketPolicy", own.datasets["objects"].arn),
        ("s3:DeleteBucket", own.datasets["objects"].arn),
        *(
            (f"dynamodb:{action}", source.datasets["items"].arn)
            for action in ("BatchWriteItem", "PutItem", "Scan", "DeleteTable")
        ),
        *((f"dynamodb:{action}", foreign.datasets["items"].arn) for action in ("BatchWriteItem", "BatchGetItem")),
        ("dynamodb:DeleteTable", own.datasets["items"].arn),
        *((f"sqs:{action}", routes[other].queue_arn) for action in ("ReceiveMessage", "DeleteMessage", "SendMessage")),
        *((f"sqs:{action}", source.dlq_arn) for action in ("ReceiveMessage", "DeleteMessage", "PurgeQueue")),
        ("sns:Publish", foreign.failure_topic_arn),
        ("sns:Subscribe", source.failure_topic_arn),
        ("logs:PutLogEvents", f"{logs}:{routes[other].log_group_name}:log-stream:one"),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/any"),
    ]
    assert [call for call in allowed if not allows(rights, *call)] == []
    assert [call for call in denied if allows(rights, *call)] == []


def test_the_notifier_may_read_the_stream_announce_and_nothing_else(
    deployed: Recording, source: StorageOutputs
) -> None:
    rights = deployed.named("aws:iam/rolePolicy:RolePolicy", "items-notifier-rights").document()
    routes = ReplicationOutputs.parse(deployed.outputs).routes
    stream = source.datasets["items"].stream_arn
    for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"):
        assert allows(rights, f"dynamodb:{action}", stream), action
    for queue in (routes["dev"].queue_arn, routes["staging"].queue_arn, source.dlq_arn):
        assert allows(rights, "sqs:SendMessage", queue)
        assert not allows(rights, "sqs:ReceiveMessage", queue)
    for action in ("GetItem", "BatchGetItem", "Scan", "PutItem"):
        assert not allows(rights, f"dynamodb:{action}", source.datasets["items"].arn), action
    assert not allows(rights, "dynamodb:GetRecords", f"{replica('dev').datasets['items'].arn}/stream/any")


def test_objects_that_a_target_does_not_get_can_not_be_read_by_its_route() -> None:
    objects = {"include": ["public/", "a*b/"], "exclude": ["public/secret/"]}
    deployed = replication({"replication:targets": [{"environment": "dev", "objects": objects, "items": False}]})
    rights = rights_of(deployed, "dev")
    bucket = storage("prod").outputs["bucket_arn"]
    read = {
        key: allows(rights, "s3:GetObjectVersion", f"{bucket}/{key}")
        for key in ("public/report", "public/secret/key", "private/report", "a*b/c", "axb/c")
    }
    assert [key for key, may in read.items() if may] == ["public/report", "a*b/c"]
    assert allows(rights, "s3:PutObject", f"{replica('dev').datasets['objects'].arn}/public/report")
    assert not allows(rights, "s3:PutObject", f"{replica('dev').datasets['objects'].arn}/private/report")
    assert not allows(rights, "dynamodb:BatchGetItem", storage("prod").outputs["table_arn"])
    selected, left_out = route_of(deployed).datasets
    assert (selected.include, selected.exclude) == (("public/", "a*b/"), ("public/secret/",))
    assert not left_out.target


# Alarms


def test_what_somebody_has_to_look_at_alarms(deployed: Recording) -> None:
    alarms = {one.name: (one.inputs["namespace"], one.inputs["metricName"]) for one in deployed.of(ALARM)}
    expected = {
        "items-stream-age": ("AWS/Lambda", "IteratorAge"),
        "items-notifier-errors": ("AWS/Lambda", "Errors"),
        "items-notifier-throttles": ("AWS/Lambda", "Throttles"),
    }
    for target in TARGETS:
        expected[f"route-{target}-undelivered"] = ("AWS/Events", "FailedInvocations")
        expected[f"route-{target}-lost"] = ("AWS/Events", "InvocationsFailedToBeSentToDlq")
        expected[f"route-{target}-queue-age"] = ("AWS/SQS", "ApproximateAgeOfOldestMessage")
        expected[f"route-{target}-lag"] = ("DataPipeline/Replication", "ReplicationLatency")
        expected[f"route-{target}-brake-holds"] = ("DataPipeline/Replication", "BrakedDeletes")
        expected[f"route-{target}-replicator-errors"] = ("AWS/Lambda", "Errors")
        expected[f"route-{target}-replicator-throttles"] = ("AWS/Lambda", "Throttles")
    expected["route-staging-sample-drift"] = ("DataPipeline/Replication", "ReplicaDrift")
    expected["route-staging-sample-unmasked"] = ("DataPipeline/Replication", "UnmaskedReplicas")
    expected["route-staging-sample-errors"] = ("AWS/Lambda", "Errors")
    expected["route-staging-sample-throttles"] = ("AWS/Lambda", "Throttles")
    assert alarms == expected
    lag = deployed.named(ALARM, "route-dev-lag").inputs
    for name in ("undelivered", "lost"):
        watched = deployed.named(ALARM, f"route-dev-{name}").inputs
        assert watched["dimensions"] == {"RuleName": deployed.outputs["dev_rule_name"]}
    assert (lag["dimensions"], lag["threshold"]) == ({"target": "dev"}, 300_000)  # milliseconds


def test_a_routes_alarms_are_told_to_who_looks_at_it(deployed: Recording) -> None:
    for target, route in ReplicationOutputs.parse(deployed.outputs).routes.items():
        names = {one.name for one in deployed.of(ALARM) if one.name.startswith(f"route-{target}-")}
        told = route.alarm_names.split(",")
        assert len(told) == len(names) >= 4
        assert all(any(name in one for name in names) for one in told)


def test_the_dashboard_shows_every_route_and_every_alarm_on_one_page(
    deployed: Recording, source: StorageOutputs
) -> None:
    outputs = ReplicationOutputs.parse(deployed.outputs)
    (dashboard,) = deployed.of("aws:cloudwatch/dashboard:Dashboard")
    assert dashboard.inputs["dashboardName"] == outputs.dashboard_name == "replication-prod"
    alarms, *graphs = json.loads(dashboard.inputs["dashboardBody"])["widgets"]
    letters = storage("prod").named(ALARM, "dead-letters").arn
    assert alarms["properties"]["alarms"][-1] == letters
    assert len(alarms["properties"]["alarms"]) == len(deployed.of(ALARM)) + 1
    metrics = [metric for graph in graphs for metric in graph["properties"]["metrics"]]
    shown = {metric[3] for metric in metrics}
    assert {*TARGETS, outputs.notifier_function_name, source.dlq_url.rpartition("/")[2]} <= shown
    assert {name for route in outputs.routes.values() for name in (route.queue_name, route.function_name)} <= shown
    of_routes = ("ReplicationLatency", "ReplicatedChanges", "ReplicationFailures", "ApproximateAgeOfOldestMessage")
    for metric in (*of_routes, "UnmaskedReplicas"):
        assert len([one for one in metrics if one[1] == metric]) >= len(TARGETS), metric


def test_thresholds_are_the_configurations() -> None:
    deployed = replication({"replication:queueAgeAlarmSeconds": 777, "replication:streamAgeAlarmSeconds": 888})
    assert deployed.named(ALARM, "route-dev-queue-age").inputs["threshold"] == 777
    assert deployed.named(ALARM, "items-stream-age").inputs["threshold"] == 888_000


# Contracts


def test_the_outputs_are_the_contract_and_nothing_else(deployed: Recording) -> None:
    contract = ReplicationOutputs.parse(deployed.outputs)
    assert contract.exports() == deployed.outputs
    assert tuple(contract.routes) == TARGETS
    assert contract.notifier_event_source_mapping_id == "uuid-of-items-mapping"


def test_a_part_declares_its_routes_alone_as_they_are_in_the_whole_and_exports_the_rest_as_it_was(
    deployed: Recording,
) -> None:
    before = {**deployed.outputs, "dev_queue_url": "of before", "staging_queue_url": "of before"}
    with part_of_program(Part(routes=("dev",), exported=before)):
        part = replication(stacks={name: told for name, told in stack_outputs().items() if "staging" not in name})
    own = {one.urn: one.inputs for one in deployed.resources() if one.name.startswith("route-dev-")}
    assert {one.urn: one.inputs.keys() for one in part.resources()} == {urn: own[urn].keys() for urn in own}
    assert part.outputs == {**deployed.outputs, "staging_queue_url": "of before"}


def test_a_part_does_not_change_how_all_routes_notice_changes(deployed: Recording) -> None:
    with (
        part_of_program(Part(routes=("dev",), exported=deployed.outputs)),
        pytest.raises(StackConfigError, match=r"replication:capture is cloudtrail.* by native: .*without --routes"),
    ):
        replication({"replication:capture": "cloudtrail"})


@pytest.mark.parametrize(("ends_holds", "stays"), [(False, True), (True, False)])
def test_a_held_routes_alias_stays_while_its_function_goes_on(
    deployed: Recording, ends_holds: bool, stays: bool
) -> None:
    hold = Hold(version="7", release="v1.3.0", from_release="v1.4.0", by="somebody", at="2026-11-28")
    spec = {**deployed.outputs["dev_spec"], "notifications": "of the held version"}
    exported = {**deployed.outputs, "dev_held": hold.document(), "dev_spec": spec}
    with part_of_program(Part(exported=exported, ends_holds=ends_holds)):
        held = replication()
    versions = [one.inputs["functionVersion"] for one in held.of("aws:lambda/alias:Alias")]
    assert versions.count("7") == stays
    route = ReplicationOutputs.parse(held.outputs).routes["dev"]
    assert (route.version, route.held) == (("7", hold.document()) if stays else ("1", {}))
    assert route.spec == (spec if stays else deployed.outputs["dev_spec"])
    assert held.named(FUNCTION, "route-dev-replicator").inputs["publish"]


@pytest.mark.parametrize(("former", "weights"), [("7", {"1": 0.1}), ("1", {})], ids=["a release", "nothing new"])
def test_a_release_by_weight_gets_a_part_of_the_invocations_beside_the_former_version(
    deployed: Recording, former: str, weights: dict[str, float]
) -> None:
    part = Part(routes=("dev",), shift=Shift(former=former, share=0.1), exported=deployed.outputs)
    with part_of_program(part):
        shifted = replication()
    alias = shifted.named("aws:lambda/alias:Alias", "route-dev-replicator-live").inputs
    assert alias["functionVersion"] == former
    assert alias["routingConfig"] == {"additionalVersionWeights": weights}
    assert ReplicationOutputs.parse(shifted.outputs).routes["dev"].version == former


def test_a_preview_reads_the_storage_and_registers_the_same_resources(deployed: Recording) -> None:
    previewed = replication(preview=True)
    assert {(one.type, one.name) for one in previewed.resources()} == {
        (one.type, one.name) for one in deployed.resources()
    }
    pattern = previewed.named("aws:cloudwatch/eventRule:EventRule", "route-dev-rule").inputs["eventPattern"]
    assert storage("prod").outputs["bucket_name"] in pattern


@pytest.mark.parametrize("preview", [False, True])
def test_storage_without_an_output_is_named_with_the_command_that_deploys_it(preview: bool) -> None:
    outputs = {**stack_outputs(), "organization/storage/dev": {"environment": "dev"}}
    with pytest.raises(StackOutputError, match="organization/storage/dev has no output 'region'") as caught:
        replication(stacks=outputs, preview=preview)
    assert "Deploy storage of dev first" in str(caught.value)


def test_a_contract_is_not_parsed_from_outputs_that_lack_one_of_its_own(deployed: Recording) -> None:
    outputs = {name: value for name, value in deployed.outputs.items() if name != "dev_queue_url"}
    with pytest.raises(MissingOutputError, match="dev_queue_url"):
        ReplicationOutputs.parse(outputs)


# Refusals


def targets(*names: str) -> dict[str, Any]:
    return {"replication:targets": [{"environment": name} for name in names]}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (targets("prod"), "replication:targets names prod, which is the source: remove it"),
        (targets("dev", "dev"), "replication:targets names dev more than once"),
        (targets("Qa"), "replication:targets[0].environment is 'Qa'"),
        ({"replication:targets": []}, "at least 1 item"),
        ({"replication:targets": None}, "replication:targets is missing"),
        ({"replication:targets": "dev"}, "replication:targets is 'dev'"),
        (
            {"replication:targets": 5},
            "replication:targets is '5' (the environments that get the data, at least one): it ",
        ),
        ({"replication:lagAlarmSeconds": 1_209_601}, "less than or equal to 1209600"),
        ({"replication:queueAgeAlarmSeconds": 1_209_601}, "less than or equal to 1209600"),
        ({"replication:streamAgeAlarmSeconds": 86_401}, "less than or equal to 86400"),
        ({"replication:errorsAlarmCount": 2**53 + 1}, "replication:errorsAlarmCount is"),
        ({"replication:throttlesAlarmCount": 10**30}, "replication:throttlesAlarmCount is"),
        ({"replicaton:memoryMb": 512}, "replicaton:memoryMb is not a setting; did you mean replication:memoryMb?"),
        ({"replication:targets": [{"environment": "dev", "maxConcurrency": 1}]}, "targets[0].maxConcurrency is 1"),
        ({"replication:targets": [{"environment": "dev", "object": {}}]}, "did you mean objects?"),
        ({"replication:logRetentionDays": 31}, "CloudWatch Logs keeps logs for one of 1, 3, 5"),
        ({"replication:timeoutSeconds": 901}, "replication:timeoutSeconds is '901'"),
        ({"replication:batchWindowSeconds": 0}, "replication:batchSize is above 10 without a window"),
        ({"replication:memory": 1}, "did you mean memoryMb?"),
        ({"aws:region": "eu-west-1", "aws:regions": "x"}, "aws:regions is not a setting; did you mean region?"),
    ],
)
def test_a_configuration_that_can_not_work_is_refused_by_key_and_file(config: dict[str, Any], said: str) -> None:
    with pytest.raises(StackConfigError) as caught:
        replication(config)
    assert said in str(caught.value)
    assert "projects/replication/Pulumi.prod.yaml: " in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_source_is_the_environment_that_the_stack_is_named_after(monkeypatch: pytest.MonkeyPatch) -> None:
    config, stacks = committed_config("replication", "prod"), stack_outputs()
    monkeypatch.setattr("tests.infra.recording.committed_config", lambda *_: config)
    with pytest.raises(StackConfigError, match=r"replication:targets names dev, which is the source: remove it\.$"):
        replication(stack="dev", stacks=stacks)
    outputs = replication(targets("dev"), stack="staging", stacks=stacks).outputs
    assert (outputs["environment"], outputs["targets"]) == ("staging", "dev")
    assert outputs["dashboard_name"] == "replication-staging"


@pytest.mark.parametrize(
    ("stack", "changed", "said"),
    [
        (PROD, {"region": "eu-west-1"}, "set aws:region in projects/replication/Pulumi.prod.yaml to eu-west-1"),
        (PROD, {"account_id": "999999999999"}, "The storage of prod is in account 999999999999"),
        ("organization/storage/dev", {"account_id": "999999999999"}, "replication works within one account"),
        ("organization/storage/dev", {"bucket_arn": "same"}, "have the same bucket"),
        ("organization/storage/staging", {"table_arn": "same"}, "have the same table"),
    ],
)
@pytest.mark.parametrize("preview", [False, True])
def test_storage_that_does_not_fit_together_is_refused_before_anything_is_declared(
    stack: str, changed: dict[str, str], said: str, preview: bool
) -> None:
    outputs = copy.deepcopy({**stack_outputs()[stack], **changed})
    for name in [name for name, value in changed.items() if value == "same"]:
        dataset = {"bucket_arn": "objects", "table_arn": "items"}[name]
        outputs["datasets"][dataset]["arn"] = stack_outputs()[PROD][name]
    with pytest.raises(StackConfigError, match=said):
        replication(stacks={**stack_outputs(), stack: outputs}, preview=preview)


def test_a_target_may_be_in_another_region() -> None:
    moved = {**stack_outputs()["organization/storage/dev"], "region": "eu-west-1"}
    deployed = replication(stacks={**stack_outputs(), "organization/storage/dev": moved})
    assert route_of(deployed).target_region == "eu-west-1"
