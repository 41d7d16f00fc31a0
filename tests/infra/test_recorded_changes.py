"""The replication where changes are noticed by what CloudTrail records, and what it refuses."""

import json
from typing import Any

import pytest

from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from pipeline_common.infra.stack_config import StackConfigError
from tests.infra.deployed import TARGETS, committed_replication, recorded_replication, replication, storage
from tests.infra.iam import allows
from tests.infra.recording import ACCOUNT, REGION, Recording

RULE = "aws:cloudwatch/eventRule:EventRule"
TRAIL = "aws:cloudtrail/trail:Trail"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
BY_CLOUDTRAIL = {"replication:capture": "cloudtrail"}


@pytest.fixture(scope="module")
def deployed() -> Recording:
    return recorded_replication()


@pytest.fixture
def source() -> StorageOutputs:
    return StorageOutputs.parse(storage("prod").outputs)


def test_a_routes_rule_is_for_objects_and_items_and_nothing_reads_the_stream(deployed: Recording) -> None:
    rules = [one for one in deployed.of(RULE) if "eventPattern" in one.inputs]
    assert {rule.name for rule in rules} == {f"route-{target}-rule" for target in TARGETS}
    for rule in rules:
        assert "eventBusName" not in rule.inputs, "CloudTrail sends to the account's default bus"
    assert not [one.name for one in deployed.resources() if "notifier" in one.name or one.name.startswith("items")]
    mappings = deployed.of("aws:lambda/eventSourceMapping:EventSourceMapping")
    assert {one.name for one in mappings} == {f"route-{target}-mapping" for target in TARGETS}


def test_the_pattern_is_no_longer_than_aws_takes(deployed: Recording) -> None:
    for target in TARGETS:
        assert len(deployed.named(RULE, f"route-{target}-rule").inputs["eventPattern"]) <= 2048


@pytest.mark.parametrize("target", TARGETS)
def test_a_routes_queue_takes_what_the_rule_sends_and_the_rest_is_as_ever(deployed: Recording, target: str) -> None:
    outputs = ReplicationOutputs.parse(deployed.outputs)
    sent = deployed.named("aws:cloudwatch/eventTarget:EventTarget", f"route-{target}-events").inputs
    route = outputs.routes[target]
    assert (sent["rule"], sent["arn"]) == (route.rule_name, route.queue_arn)
    policy = deployed.named("aws:sqs/queuePolicy:QueuePolicy", f"route-{target}-queue-policy").document()
    context = {"aws:SourceArn": route.rule_arn, "aws:SourceAccount": ACCOUNT, "aws:SecureTransport": "true"}
    assert allows(policy, "sqs:SendMessage", route.queue_arn, principal="events.amazonaws.com", context=context)
    rights, native = (
        one.named("aws:iam/rolePolicy:RolePolicy", f"route-{target}-replicator-rights").document()
        for one in (deployed, committed_replication())
    )
    assert rights == native


def test_the_trail_records_the_writes_of_the_sources_bucket_and_table_and_nothing_else(
    deployed: Recording, source: StorageOutputs
) -> None:
    (trail,) = deployed.of(TRAIL)
    selected = {
        selector["name"]: {
            field["field"]: field.get("equals") or {"startsWiths": field["startsWiths"]}
            for field in selector["fieldSelectors"]
        }
        for selector in trail.inputs["advancedEventSelectors"]
    }
    writes = {"eventCategory": ["Data"], "readOnly": ["false"]}
    assert selected == {
        "objects": {
            **writes,
            "resources.type": ["AWS::S3::Object"],
            "resources.ARN": {"startsWiths": [f"{source.datasets['objects'].arn}/"]},
        },
        "items": {
            **writes,
            "resources.type": ["AWS::DynamoDB::Table"],
            "resources.ARN": [source.datasets["items"].arn],
        },
    }
    assert trail.inputs["enableLogFileValidation"] is True
    assert trail.inputs.get("enableLogging") is not False
    assert not trail.inputs.get("isMultiRegionTrail")


def log_of(deployed: Recording) -> str:
    """The physical name of the bucket that the trail writes to, which is the replication's own."""
    (bucket,) = deployed.of("aws:s3/bucket:Bucket")
    name = str(deployed.named(TRAIL, "calls-trail").inputs["s3BucketName"])
    assert name.startswith(f"{bucket.name}-")
    return name


def test_the_trail_does_not_log_its_own_log(deployed: Recording, source: StorageOutputs) -> None:
    log = log_of(deployed)
    (trail,) = deployed.of(TRAIL)
    assert log not in json.dumps(trail.inputs["advancedEventSelectors"])
    assert not f"arn:aws:s3:::{log}/AWSLogs/".startswith(f"{source.datasets['objects'].arn}/")


def test_the_trails_log_takes_log_files_of_this_trail_alone_over_tls(deployed: Recording) -> None:
    bucket = f"arn:aws:s3:::{log_of(deployed)}"
    policy = deployed.named("aws:s3/bucketPolicy:BucketPolicy", "calls-trail-log-policy").document()
    this_trail = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/replication-prod"
    assert deployed.named(TRAIL, "calls-trail").inputs["name"] == "replication-prod"

    def may(action: str, resource: str, principal: str = "cloudtrail.amazonaws.com", **changes: str) -> bool:
        context = {
            "aws:SourceArn": changes.get("trail", this_trail),
            "s3:x-amz-acl": changes.get("acl", "bucket-owner-full-control"),
            "aws:SecureTransport": changes.get("tls", "true"),
        }
        return allows(policy, action, resource, principal=principal, context=context)

    file = f"{bucket}/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/01/log.json.gz"
    assert may("s3:GetBucketAcl", bucket)
    assert may("s3:PutObject", file)
    assert not may("s3:PutObject", f"{bucket}/AWSLogs/999999999999/log.json.gz")
    assert not may("s3:PutObject", file, trail=this_trail.replace("prod", "other"))
    assert not may("s3:PutObject", file, acl="public-read")
    assert not may("s3:PutObject", file, tls="false")
    assert not may("s3:PutObject", file, principal="delivery.logs.amazonaws.com")
    assert not may("s3:GetObject", file)


def test_the_trails_log_is_private_encrypted_and_kept_as_long_as_the_functions_logs() -> None:
    deployed = replication({**BY_CLOUDTRAIL, "replication:logRetentionDays": 90})
    block = deployed.named("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "calls-trail-log-public-access")
    flags = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert all(block.inputs[flag] is True for flag in flags)
    ownership = deployed.named("aws:s3/bucketOwnershipControls:BucketOwnershipControls", "calls-trail-log-ownership")
    assert ownership.inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    lifecycle = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    (rule,) = deployed.named(lifecycle, "calls-trail-log-lifecycle").inputs["rules"]
    assert rule["expiration"] == {"days": 90}
    assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 1}


def test_the_contract_names_the_trail_that_records(deployed: Recording) -> None:
    named = replication({**BY_CLOUDTRAIL, "replication:trail": "audit"})
    recordings = (deployed, named, committed_replication())
    trails = [ReplicationOutputs.parse(one.outputs).trail_name for one in recordings]
    assert trails == ["replication-prod", "audit", ""]


def test_with_a_named_trail_neither_a_trail_nor_a_bucket_is_made(deployed: Recording) -> None:
    named = replication({**BY_CLOUDTRAIL, "replication:trail": "audit"})
    missing = {(one.type, one.name) for one in deployed.resources()} - {
        (one.type, one.name) for one in named.resources()
    }
    assert {name for _, name in missing} == {
        "calls-trail",
        *(f"calls-trail-log{part}" for part in ("", "-public-access", "-ownership", "-encryption", "-policy")),
        "calls-trail-log-lifecycle",
    }
    rule, own = (one.named(RULE, "route-dev-rule").inputs for one in (named, deployed))
    assert rule["eventPattern"] == own["eventPattern"]


def test_what_can_fail_alarms_and_the_dashboard_shows_it_without_the_notifier(deployed: Recording) -> None:
    names = {one.name for one in deployed.of(ALARM)}
    native = {one.name for one in committed_replication().of(ALARM)}
    assert names <= native
    assert native - names == {"items-stream-age", "items-notifier-errors", "items-notifier-throttles"}
    (dashboard,) = deployed.of("aws:cloudwatch/dashboard:Dashboard")
    alarms, *graphs = json.loads(dashboard.inputs["dashboardBody"])["widgets"]
    assert len(alarms["properties"]["alarms"]) == len(names) + 1, "and the storage's, on dead letters"
    metrics: list[Any] = [metric for graph in graphs for metric in graph["properties"]["metrics"]]
    assert metrics
    assert "IteratorAge" not in {metric[1] for metric in metrics}
    assert all(isinstance(part, str) and part for metric in metrics for part in metric[:4])


def test_the_contract_says_that_there_is_no_notifier(deployed: Recording) -> None:
    outputs = ReplicationOutputs.parse(deployed.outputs)
    assert outputs.exports() == deployed.outputs
    told = {name: value for name, value in outputs.exports().items() if name.startswith("notifier_")}
    assert told.pop("notifier_mappings") == {}
    assert set(told.values()) == {""}


@pytest.mark.parametrize("trail", [None, "audit"])
def test_a_preview_registers_the_same_resources(trail: str | None) -> None:
    config = {**BY_CLOUDTRAIL, "replication:trail": trail}
    previewed, made = replication(config, preview=True), replication(config)
    assert {(one.type, one.name) for one in previewed.resources()} == {(one.type, one.name) for one in made.resources()}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"replication:capture": "cloudwatch"}, "replication:capture is 'cloudwatch'"),
        ({**BY_CLOUDTRAIL, "replication:trail": "a"}, "replication:trail is 'a'"),
        ({**BY_CLOUDTRAIL, "replication:trail": "arn:aws:cloudtrail:x"}, "replication:trail is 'arn:"),
        (
            {"replication:trail": "audit"},
            "replication:trail names audit, but replication:capture is native, which reads no trail: "
            "set replication:capture to cloudtrail, or remove replication:trail.",
        ),
    ],
)
def test_a_capture_that_can_not_work_is_refused_by_key_file_and_fix(config: dict[str, Any], said: str) -> None:
    with pytest.raises(StackConfigError) as caught:
        replication(config)
    assert said in str(caught.value)
    assert "projects/replication/Pulumi.prod.yaml: " in str(caught.value)
