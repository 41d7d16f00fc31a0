"""Configurations of the processing that can't work, refused with the key, the file and the fix."""

from typing import Any

import pytest

from pipeline_common.infra import schedules
from pipeline_common.infra.limits import RETENTION_DAYS
from pipeline_common.infra.stack_config import StackConfigError
from tests.infra.deployed import processing, stack_outputs


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"memoryMb": 64}, "processing:memoryMb is '64'"),
        ({"memoryMb": 10_241}, "processing:memoryMb is '10241'"),
        ({"timeoutSeconds": 901}, "processing:timeoutSeconds is '901'"),
        ({"timeoutSeconds": 0}, "processing:timeoutSeconds is '0'"),
        ({"logRetentionDays": 8}, "CloudWatch Logs keeps logs for one of 1, 3, 5, 7"),
        ({"memoryMb": None}, "processing:memoryMb is missing"),
        (
            {"deadLettersAlarmCount": 2},
            "processing:deadLettersAlarmCount is not a setting any more; set storage:deadLettersAlarmCount instead, in "
            "projects/storage.",
        ),
        ({"memory": 512}, "processing:memory is not a setting; did you mean memoryMb?"),
        ({"inputPrefix": ""}, "processing:inputPrefix"),
        ({"inputPrefix": "incoming"}, "it ends with /"),
        ({"inputPrefix": "/"}, "does not begin with /"),
        ({"inputPrefix": "results/"}, "processing:inputPrefix overlaps results/"),
        ({"inputPrefix": "results/dev/"}, "processing:inputPrefix overlaps results/"),
        ({"inputPrefix": "rejected/"}, "processing:inputPrefix overlaps rejected/"),
        ({"schedule": "hourly"}, "processing:schedule is 'hourly'"),
        ({"schedule": "rate(1 hours)"}, "such as rate(1 hour)"),
        ({"schedule": "rate(１５ minutes)"}, "such as rate(1 hour)"),
        ({"schedule": "cron(0 6 * * * *)"}, "exactly one has to be ?"),
        ({"processReplicas": "maybe"}, "processing:processReplicas is 'maybe'"),
        ({"maxConcurrency": 1}, "processing:maxConcurrency is '1'"),
        ({"errorsAlarmCount": 0}, "processing:errorsAlarmCount is '0'"),
        ({"durationAlarmPercent": 100}, "processing:durationAlarmPercent is '100'"),
        ({"schema": [{"name": "a", "type": "text"}]}, "processing:schema[0].type is 'text'"),
        ({"schema": [{"type": "string"}]}, "processing:schema[0].name is missing"),
        ({"schema": [{"name": "a", "type": "any", "needed": True}]}, "schema[0].needed is not a setting"),
        ({"schema": [{"name": "a", "type": "any"}] * 2}, "processing:schema: the schema declares the field 'a' more"),
        ({"schema": [{"name": "id", "type": "number"}]}, "processing:schema: the field 'id' is a key of the table"),
        ({"schema": "amount"}, "processing:schema is 'amount'"),
        (
            {"bucket": "files"},
            "processing:bucket is 'files', which is no bucket of dev's storage (buckets: objects)",
        ),
        (
            {"table": "objects"},
            "processing:table is 'objects', which is no table of dev's storage (tables: items)",
        ),
        ({"table": "Items"}, "processing:table is 'Items'"),
        ({"queueAgeAlarmSeconds": 59}, "processing:queueAgeAlarmSeconds is '59'"),
        ({"queueAgeAlarmSeconds": 1_209_601}, "less than or equal to 1209600"),
        ({"deadLettersAlarmCount": 2**53 + 1}, "processing:deadLettersAlarmCount is"),
    ],
)
def test_a_configuration_that_can_not_work_is_refused_by_key_and_file(config: dict[str, Any], said: str) -> None:
    with pytest.raises(StackConfigError) as caught:
        processing("dev", {f"processing:{key}": value for key, value in config.items()})
    assert said in str(caught.value)
    assert str(caught.value).startswith("projects/processing/Pulumi.dev.yaml: ")


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1 minute)",
        "rate(1 hour)",
        "rate(2 days)",
        "rate(15 minutes)",
        "rate(10 hours)",
        "cron(0 6 * * ? *)",
        "cron(0/15 8-18 ? * MON-FRI *)",
        "cron(0 0 L * ? *)",
        "cron(30 4 ? * 2#1 2026-2030)",
    ],
)
def test_a_schedule_that_eventbridge_takes_is_taken(expression: str) -> None:
    assert schedules.fault(expression) is None


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(1.5 hours)",
        "rate(-5 minutes)",
        "rate(30 seconds)",
        "rate (1 hour)",
        "cron(0 6 * * *)",
        "cron(0 6 * * ? * *)",
        "cron(0 6 1 * 1 *)",
        "cron(0 6 ? * ? *)",
        "cron(0 6 * * ? *) ",
        "cron(0 6 * * ? mon)",
        "at(2026-01-01T00:00:00)",
        "rate(1 hour)" + " " * 256,
    ],
)
def test_a_schedule_that_eventbridge_refuses_is_refused(expression: str) -> None:
    assert schedules.fault(expression)


@pytest.mark.parametrize("days", sorted(RETENTION_DAYS)[:2])
def test_any_of_cloudwatchs_retention_values_is_taken(days: int) -> None:
    deployed = processing("dev", {"processing:logRetentionDays": days})
    (group,) = deployed.of("aws:cloudwatch/logGroup:LogGroup")
    assert group.inputs["retentionInDays"] == days


def test_replicas_may_be_processed_where_somebody_wants_it() -> None:
    deployed = processing("dev", {"processing:processReplicas": "true"})
    function = deployed.named("aws:lambda/function:Function", "processor").inputs
    assert "true" in function["environment"]["variables"]["PROCESSOR_PROCESS_REPLICAS"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"region": "eu-west-1"}, "set aws:region in projects/processing/Pulumi.dev.yaml to eu-west-1"),
        ({"account_id": "999999999999"}, "The storage of dev is in account 999999999999"),
    ],
)
@pytest.mark.parametrize("preview", [False, True])
def test_storage_that_is_elsewhere_is_refused_before_anything_is_declared(
    changed: dict[str, str], said: str, preview: bool
) -> None:
    outputs = {
        **stack_outputs(),
        "organization/storage/dev": {**stack_outputs()["organization/storage/dev"], **changed},
    }
    with pytest.raises(StackConfigError, match=said):
        processing("dev", stacks=outputs, preview=preview)
