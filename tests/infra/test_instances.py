"""An instance of an environment: its own names, its environment's configuration, and nothing that protects data."""

import functools
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline_common.infra.stack_config import StackConfigError
from replication_core.route_spec import ROUTE_FILE
from tests.infra.deployed import processing, replication, storage
from tests.infra.recording import Recording

SUFFIX = "pr5400"


@functools.cache
def stacks(suffix: str = SUFFIX) -> Mapping[str, Mapping[str, Any]]:
    """The outputs of an instance's storage alone: what is read of any other is unknown to the engine."""
    return {
        f"organization/storage/{name}-{suffix}": storage(f"{name}-{suffix}").outputs
        for name in ("dev", "staging", "prod")
    }


@functools.cache
def replicated(**config: str) -> Recording:
    changed = {f"replication:{key}": value for key, value in config.items()}
    return replication(changed, stack=f"prod-{SUFFIX}", stacks=stacks())


def test_an_instance_tells_its_environment_and_its_suffix() -> None:
    outputs = stacks()[f"organization/storage/dev-{SUFFIX}"]
    assert (outputs["environment"], outputs["suffix"]) == ("dev", SUFFIX)
    assert storage("dev").outputs["suffix"] == ""
    for one in storage(f"dev-{SUFFIX}").resources():
        if "tags" in one.inputs:
            assert (one.inputs["tags"]["Environment"], one.inputs["tags"]["Suffix"]) == ("dev", SUFFIX)
            assert one.inputs["tags"]["Name"].startswith(f"storage-dev-{SUFFIX}-")


def test_nothing_of_an_instance_is_protected_even_where_its_environment_is() -> None:
    plain, instance = storage("prod"), storage(f"prod-{SUFFIX}")
    assert any(one.protect for one in plain.registrations)
    assert not any(one.protect for one in instance.registrations)
    table = instance.named("aws:dynamodb/table:Table", "items")
    assert table.inputs["deletionProtectionEnabled"] is False
    assert instance.named("aws:s3/bucket:Bucket", "objects").inputs["forceDestroy"] is True
    for stayed in ("pointInTimeRecovery", "billingMode"):
        assert table.inputs[stayed] == plain.named("aws:dynamodb/table:Table", "items").inputs[stayed]


def test_what_we_name_ourselves_is_named_after_the_instance() -> None:
    made = processing(f"dev-{SUFFIX}", stacks=stacks())
    assert made.outputs["dashboard_name"] == f"processing-dev-{SUFFIX}"
    assert replicated().outputs["dashboard_name"] == f"replication-prod-{SUFFIX}"
    assert replicated(capture="cloudtrail").outputs["trail_name"] == f"replication-prod-{SUFFIX}"


def test_a_replication_reads_and_writes_within_its_instance() -> None:
    assert {one.inputs["name"] for one in replicated().of("pulumi:pulumi:StackReference")} <= set(stacks())
    assert replicated().outputs["targets"] == "dev,staging"
    route = replicated().named("aws:lambda/function:Function", "route-dev-replicator").archived(ROUTE_FILE)
    assert (route["source_environment"], route["target_environment"]) == (f"prod-{SUFFIX}", f"dev-{SUFFIX}")


def test_the_metrics_of_an_instance_are_not_its_environments() -> None:
    alarm = replicated().named("aws:cloudwatch/metricAlarm:MetricAlarm", "route-dev-lag")
    assert alarm.inputs["dimensions"] == {"target": f"dev-{SUFFIX}"}
    (dashboard,) = replicated().of("aws:cloudwatch/dashboard:Dashboard")
    assert f'"target", "dev-{SUFFIX}"' in dashboard.inputs["dashboardBody"]


def test_a_suffix_that_makes_a_name_longer_than_aws_takes_is_refused_before_anything_is_made() -> None:
    stack = f"prod-{'x' * 12}"
    said = rf"^A Role of {stack} would be called replication-{stack}-.*, 67 .* use a suffix that is shorter by 3"
    with pytest.raises(StackConfigError, match=said) as caught:
        replication(stack=stack, stacks=stacks("x" * 12))
    assert len(str(caught.value).splitlines()) == 1
