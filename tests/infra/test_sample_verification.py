"""A sample of a target compared on a schedule: declared where it is configured, and able to read alone."""

import json
from typing import Any

import pytest

from pipeline_common.contracts import ReplicationOutputs, StorageOutputs
from pipeline_common.infra.stack_config import StackConfigError
from replication_core.route_spec import ROUTE_FILE
from tests.infra.deployed import committed_replication, replication, storage
from tests.infra.iam import allows
from tests.infra.recording import Recording

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
FUNCTION = "aws:lambda/function:Function"
VERIFY = {"schedule": "rate(6 hours)", "sampleKeys": 500}


SOAK = {"replication:soakSeconds": 60, "replication:soakAnswerSeconds": 10}


@pytest.fixture(scope="module")
def deployed() -> Recording:
    objects = {"include": ["public/"], "exclude": ["public/secret/"]}
    targets: list[dict[str, Any]] = [
        {"environment": "dev"},
        {"environment": "staging", "objects": objects, "verify": VERIFY},
    ]
    return replication({"replication:targets": targets, "replication:lagAlarmSeconds": 240, **SOAK})


def store(environment: str) -> StorageOutputs:
    return StorageOutputs.parse(storage(environment).outputs)


def test_it_is_off_in_dev_and_on_in_staging_as_committed() -> None:
    routes = ReplicationOutputs.parse(committed_replication().outputs).routes
    assert routes["dev"].verifier_function_name == routes["dev"].verifier_log_group_name == ""
    assert "route-staging-sample" in routes["staging"].verifier_function_name
    assert "drift" in routes["staging"].alarm_names
    assert "drift" not in routes["dev"].alarm_names


def test_the_schedule_invokes_the_live_version_and_what_it_can_not_is_a_dead_letter(deployed: Recording) -> None:
    rule = deployed.named("aws:cloudwatch/eventRule:EventRule", "route-staging-sample-schedule").inputs
    assert rule["scheduleExpression"] == "rate(6 hours)"
    sent = deployed.named("aws:cloudwatch/eventTarget:EventTarget", "route-staging-sample-schedule-target").inputs
    assert sent["arn"].endswith(":live")
    assert sent["deadLetterConfig"] == {"arn": store("prod").dlq_arn}
    may = deployed.named("aws:lambda/permission:Permission", "route-staging-sample-schedule-invokes").inputs
    assert (may["action"], may["principal"], may["qualifier"]) == (
        "lambda:InvokeFunction",
        "events.amazonaws.com",
        "live",
    )
    assert ":rule/route-staging-sample-schedule" in may["sourceArn"]


def test_it_knows_the_route_and_how_much_to_compare_for_how_long(deployed: Recording) -> None:
    route = deployed.named(FUNCTION, "route-staging-sample").archived(ROUTE_FILE)
    assert (route["sample_keys"], route["settle_seconds"]) == (500, 240)
    assert (route["soak_seconds"], route["soak_answer_seconds"]) == (60, 10)
    assert route == deployed.named(FUNCTION, "route-staging-replicator").archived(ROUTE_FILE)


def test_it_reads_what_is_current_on_both_sides_and_writes_to_neither(deployed: Recording) -> None:
    rights = deployed.named("aws:iam/rolePolicy:RolePolicy", "route-staging-sample-rights").document()
    source, replica, other = store("prod"), store("staging"), store("dev")
    for own in (source, replica):
        for action in ("GetObject", "GetObjectTagging", "GetObjectVersionTagging"):
            assert allows(rights, f"s3:{action}", f"{own.datasets['objects'].arn}/public/key"), action
        assert allows(rights, "s3:ListBucket", own.datasets["objects"].arn)
        for action in ("BatchGetItem", "DescribeTable", "Scan"):
            assert allows(rights, f"dynamodb:{action}", own.datasets["items"].arn), action
        for action in ("PutObject", "DeleteObject", "PutObjectTagging", "GetObjectVersion"):
            assert not allows(rights, f"s3:{action}", f"{own.datasets['objects'].arn}/public/key"), action
        for action in ("BatchWriteItem", "PutItem", "DeleteItem"):
            assert not allows(rights, f"dynamodb:{action}", own.datasets["items"].arn), action
    assert not allows(rights, "s3:GetObject", f"{source.datasets['objects'].arn}/private/key")
    assert not allows(rights, "s3:GetObject", f"{source.datasets['objects'].arn}/public/secret/key")
    assert not allows(rights, "s3:GetObject", f"{other.datasets['objects'].arn}/public/key")
    assert not allows(rights, "dynamodb:Scan", other.datasets["items"].arn)


def test_replicas_that_no_policy_has_made_alarm_where_the_target_is_masked(deployed: Recording) -> None:
    unmasked = committed_replication().named(ALARM, "route-staging-sample-unmasked").inputs
    assert (unmasked["metricName"], unmasked["dimensions"]) == ("UnmaskedReplicas", {"target": "staging"})
    assert (unmasked["threshold"], unmasked["period"]) == (1, 86_400)
    assert not any("UnmaskedReplicas" in str(each.inputs) for each in deployed.of(ALARM)), "it masks nothing"


def test_drift_and_a_run_that_fails_alarm_at_once(deployed: Recording) -> None:
    drift = deployed.named(ALARM, "route-staging-sample-drift").inputs
    assert (drift["metricName"], drift["dimensions"], drift["threshold"]) == ("ReplicaDrift", {"target": "staging"}, 1)
    assert drift["period"] == 86_400, "the silence after a run does not say that all is well"
    assert deployed.named(ALARM, "route-staging-sample-errors").inputs["threshold"] == 1


@pytest.mark.parametrize(
    ("verify", "fault"),
    [
        ({"schedule": "daily"}, "neither a rate"),
        ({}, "schedule"),
        ({"schedule": "rate(1 day)", "sampleKeys": 0}, "sampleKeys"),
        ({"schedule": "rate(1 day)", "sampels": 5}, "sampels"),
    ],
)
def test_what_is_no_schedule_or_no_sample_is_refused(verify: dict[str, Any], fault: str) -> None:
    with pytest.raises(StackConfigError, match=fault) as refused:
        replication({"replication:targets": [{"environment": "dev", "verify": verify}]})
    assert "Pulumi.prod.yaml" in str(refused.value)


def test_the_dashboard_shows_drift(deployed: Recording) -> None:
    (dashboard,) = deployed.of("aws:cloudwatch/dashboard:Dashboard")
    assert "ReplicaDrift" in json.dumps(dashboard.inputs["dashboardBody"])
