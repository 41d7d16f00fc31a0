"""Configurations whose settings come together to more than AWS takes are refused with the sums."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline_common.environments import Environment
from pipeline_common.infra.limits import LONGEST_NAME, longest_storage
from pipeline_common.infra.stack_config import StackConfigError
from replication_project.config import ReplicationConfig
from replication_project.dataset_pairs import dataset_pairs
from replication_project.sizes import size_faults
from tests.infra.deployed import DATASETS, ENVIRONMENTS, STACKS, processing, replication, stacks_of, storage
from tests.infra.recording import Recording
from tests.unmasked import unmasked

NAMED_IN_CONTRACTS = ("aws:s3/bucket:Bucket", "aws:dynamodb/table:Table", "aws:sns/topic:Topic", "aws:sqs/queue:Queue")
NAMED_IN_DOCUMENTS = ("aws:sqs/queue:Queue", "aws:cloudwatch/logGroup:LogGroup")


def prefixes(count: int, length: int, first: str = "p") -> list[str]:
    """So many different prefixes of so many characters."""
    return [f"{first}{number:02}{'/' * (length - 3)}" for number in range(count)]


def targets(**changes: Any) -> dict[str, Any]:
    return {"replication:targets": [{"environment": "dev"}, {"environment": "staging", **changes}]}


def fields(count: int, name: str) -> dict[str, Any]:
    return {"processing:schema": [{"name": f"{name}{number}", "type": "boolean"} for number in range(count)]}


def faults(**changes: Any) -> list[str]:
    """What the second of two targets makes too large."""
    config = ReplicationConfig.model_validate(
        {"targets": unmasked([{"environment": "dev"}, {"environment": "staging", **changes}])}
    )
    source = longest_storage(Environment("prod"))
    pairs = {
        target.environment: dataset_pairs(
            target, source=source, replica=longest_storage(Environment(target.environment))
        )
        for target in config.targets
    }
    return list(size_faults(config, source, pairs))


def refusal(deploy: Any, config: Mapping[str, Any]) -> str:
    with pytest.raises(StackConfigError) as caught:
        deploy(config)
    return str(caught.value)


def test_prefixes_that_outgrow_a_roles_policy_are_refused_with_the_sums() -> None:
    said = refusal(replication, targets(objects={"include": prefixes(20, 200)}))
    assert said.startswith(
        "projects/replication/Pulumi.prod.yaml: replication:targets[1] (datasets: 2, prefixes: 20, characters "
        "in all: 4,000) gives its role a policy of up to 11,"
    )
    assert said.endswith("(IAM takes 10,240): name fewer datasets, or fewer or shorter prefixes.")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ({"include": prefixes(16, 150)}, ""),
        ({"include": prefixes(20, 129), "exclude": prefixes(5, 50, "q")}, ""),
        ({"include": prefixes(16, 140), "exclude": prefixes(20, 130, "q")}, "policy of up to 12,"),
        # Six characters each in a policy.
        ({"include": ["€" * 200] * 10}, "policy of up to"),
        ({"exclude": ["é" * 150] * 20}, "policy of up to"),
        # A character that stands for itself takes four in a policy.
        ({"include": ["*" * 170] * 10}, "policy of up to"),
    ],
)
def test_the_sums_are_of_what_is_sent(objects: dict[str, Any], said: str) -> None:
    assert [said in fault for fault in faults(objects=objects)] == ([True] if said else [])


def many(kind: dict[str, Any], count: int) -> dict[str, dict[str, Any]]:
    return {**DATASETS, **{f"one-of-many-{number:03}": kind for number in range(count)}}


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        (
            DATASETS["users"],
            {},
            r"replication:targets \(targets: 2, tables: 84\) gives the notifier its role a policy",
        ),
        (
            DATASETS["users"],
            {"replication:capture": "cloudtrail"},
            r"targets\[0\] \(datasets: 86, .* a rule a pattern",
        ),
        (
            DATASETS["archive"],
            {},
            r"targets\[0\] \(datasets: 86, prefixes: 1, .* policy .* and a rule a pattern",
        ),
    ],
)
def test_datasets_that_outgrow_what_aws_takes_are_refused_with_the_sums(
    kind: dict[str, Any], config: dict[str, Any], said: str
) -> None:
    more = many(kind, 80)
    with pytest.raises(StackConfigError, match=f"Pulumi.prod.yaml: .*{said}"):
        replication(config, stacks=stacks_of(prod=more, dev=more, staging=more))


def test_what_is_said_to_fit_fits() -> None:
    largest = max(number for number in range(100, 250) if not faults(objects={"include": prefixes(16, number)}))
    sent_sizes_fit(replication(targets(objects={"include": prefixes(16, largest)})))


def sent_sizes_fit(deployed: Recording) -> None:
    for policy in deployed.of("aws:iam/rolePolicy:RolePolicy"):
        assert len(json.dumps(policy.document(), separators=(",", ":"))) <= 10_240
    for function in deployed.of("aws:lambda/function:Function"):
        variables = function.inputs["environment"]["variables"]
        assert len(json.dumps(variables, ensure_ascii=False, separators=(",", ":")).encode()) <= 4096


def test_a_schema_that_outgrows_the_functions_environment_is_refused_with_the_sum() -> None:
    sent_sizes_fit(processing("dev", fields(30, "a_field_of_a_usual_name_")))
    said = refusal(lambda config: processing("dev", config), fields(60, "a_field_of_a_usual_name_"))
    assert said.startswith(
        "projects/processing/Pulumi.dev.yaml: processing:schema (fields: 60) and processing:inputPrefix "
        "(characters: 9) give the function an environment of up to "
    )
    # Each of these letters is three bytes.
    assert "environment of up to" in refusal(lambda config: processing("dev", config), fields(20, "€" * 60))


def test_a_prefix_that_outgrows_the_rules_pattern_is_refused_with_the_sum() -> None:
    # 256 bytes at most are no more than 64 of these, which take twelve characters each in JSON; so it can't.
    deployed = processing("dev", {"processing:inputPrefix": "\U0001f600" * 63 + "/"})
    for rule in deployed.of("aws:cloudwatch/eventRule:EventRule"):
        assert len(rule.inputs.get("eventPattern", "")) <= 2048
        assert len(rule.inputs["description"]) <= 512
    said = refusal(lambda config: processing("dev", config), {"processing:inputPrefix": "é" * 128 + "/"})
    assert "it has 257 bytes, of which 256 leave room for the files' names" in said


def test_no_description_of_a_function_is_longer_than_lambda_takes_whatever_the_prefix() -> None:
    deployed = processing("dev", {"processing:inputPrefix": "p" * 255 + "/"})
    for function in deployed.of("aws:lambda/function:Function"):
        assert len(function.inputs["description"]) <= 256


def test_a_prefix_longer_than_a_key_is_refused() -> None:
    said = refusal(replication, targets(objects={"exclude": ["é" * 513]}))
    assert "replication:targets[1].objects.exclude[0]" in said
    assert "it has 1,026 bytes, and no key has more than 1,024" in said


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_storage_has_a_longer_name_than_is_counted_with(environment: str) -> None:
    names = [
        f"storage-{environment}-{one.name}-1a2b3c4"
        for type_ in NAMED_IN_CONTRACTS
        for one in storage(environment).of(type_)
    ]
    assert names
    assert max(map(len, names)) <= len(longest_storage(Environment(environment)).bucket_name)


@pytest.mark.parametrize("stack", STACKS)
def test_no_queue_and_no_log_group_has_a_longer_name_than_is_counted_with(stack: str) -> None:
    deployed, (project, environment) = STACKS[stack](), stack.partition(" ")[0].split("/")
    names = [
        f"{project}-{environment}-{one.name}-1a2b3c4" for type_ in NAMED_IN_DOCUMENTS for one in deployed.of(type_)
    ]
    assert all(len(name) <= len(LONGEST_NAME) for name in names)


@pytest.mark.parametrize("seconds", [900, 30])
def test_a_queue_hides_a_message_for_six_timeouts_and_a_window_and_sqs_takes_it(seconds: int) -> None:
    deployed = replication({"replication:timeoutSeconds": seconds, "replication:batchWindowSeconds": 300})
    for queue in deployed.of("aws:sqs/queue:Queue"):
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
        assert 6 * seconds + 300 <= queue.inputs["visibilityTimeoutSeconds"] <= 43_200
