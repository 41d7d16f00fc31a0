"""The purposes for which workflows take a role: who is trusted with each, and what it may."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from delivery_project.config import DeliveryConfig, EnvironmentConfig
from delivery_project.services import emptying, masking, reading, sparing, writing
from delivery_project.stack_names import Account, StackNames
from delivery_project.state import reading_state, using_secrets_key, writing_state
from pipeline_common.infra.policies import Statement, allow

__all__ = ["INSTANCES", "Purpose", "purposes"]

INSTANCES = "instances"
"""GitHub's environment of the jobs that deploy pull requests' instances."""

_DEPLOYED = ("storage", "processing")
_RELEASED = "replication"


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What a role is for; the role is named after it."""

    name: str
    subjects: Sequence[str]
    refs: Sequence[str]
    policies: dict[str, list[Statement]]
    """The statements of each of its policies, by what they are on: AWS limits each policy's length."""


def purposes(config: DeliveryConfig, account: Account) -> Iterator[Purpose]:
    """Yield the purposes of every environment of the account."""
    for environment in config.environments:
        yield _preview(config, account, environment)
        yield _deploy(config, account, environment)
        if environment.targets:
            yield _release(config, account, environment)
        if environment.instances:
            yield _instance(config, account, environment)


def _preview(config: DeliveryConfig, account: Account, environment: EnvironmentConfig) -> Purpose:
    """Look at everything and change nothing: for pull requests, and each night for the main branch.

    A pull request's own code runs with it. So it reads no object, item or message.
    """
    stacks = _stacks(account, environment, (*_DEPLOYED, *([_RELEASED] if environment.targets else [])))
    return Purpose(
        name=f"preview-{environment.name}",
        subjects=["pull_request", f"ref:{_main(config)}"],
        refs=["refs/pull/*/merge", _main(config)],
        policies={
            "state": _state(config, account, []),
            **{stack.project: reading(stack) for stack in stacks},
        },
    )


def _deploy(config: DeliveryConfig, account: Account, environment: EnvironmentConfig) -> Purpose:
    """Deploy the main branch's storage and processing."""
    stacks = _stacks(account, environment, _DEPLOYED)
    return Purpose(
        name=f"deploy-{environment.name}",
        subjects=[f"environment:{environment.name}"],
        refs=[_main(config)],
        policies=_changing(config, account, stacks),
    )


def _release(config: DeliveryConfig, account: Account, environment: EnvironmentConfig) -> Purpose:
    """Deploy a tagged replication, and judge its routes by what they make of samples."""
    (stack,) = _stacks(account, environment, [_RELEASED])
    storage = StackNames(account=account, project="storage", environment=environment.name)
    sides = [storage, *(StackNames(account=account, project="storage", environment=to) for to in environment.targets)]
    routes = [
        allow("Figures", ["cloudwatch:GetMetricData"], ["*"]),
        allow("Exercise", ["lambda:InvokeFunction"], [stack.arn("lambda:{region}:{account}:function:{made}")]),
        allow(
            "DeadLetters",
            ["sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            [storage.arn("sqs:{region}:{account}:{made}")],
        ),
        # A release is judged by replicas of a sample, which are compared with their source as `verify` does.
        allow("DrawObjects", ["s3:ListBucket"], [side.arn("s3:::{made}") for side in sides]),
        allow("CompareObjects", ["s3:GetObject", "s3:GetObjectTagging"], [side.arn("s3:::{made}/*") for side in sides]),
        allow(
            "CompareItems",
            ["dynamodb:BatchGetItem", "dynamodb:Scan"],
            [side.arn("dynamodb:{region}:{account}:table/{made}") for side in sides],
        ),
        masking(stack),
    ]
    return Purpose(
        name=f"release-{environment.name}",
        subjects=[f"environment:{environment.name}"],
        refs=[f"refs/tags/{_RELEASED}/v*"],
        policies={**_changing(config, account, [stack]), "routes": routes},
    )


def _instance(config: DeliveryConfig, account: Account, environment: EnvironmentConfig) -> Purpose:
    """Deploy and destroy pull requests' instances of the environment, whose code runs with it."""
    stacks = _stacks(account, environment, _DEPLOYED, instances=True)
    emptied = [statement for stack in stacks for statement in emptying(stack)]
    spared = [statement for stack in stacks for statement in sparing(stack)]
    return Purpose(
        name=f"instance-{environment.name}",
        subjects=[f"environment:{INSTANCES}"],
        refs=["refs/pull/*/merge", _main(config)],
        policies={**_changing(config, account, stacks), "limits": [*emptied, *spared]},
    )


def _stacks(
    account: Account, environment: EnvironmentConfig, projects: Sequence[str], *, instances: bool = False
) -> list[StackNames]:
    return [
        StackNames(account=account, project=project, environment=environment.name, instances=instances)
        for project in projects
    ]


def _changing(config: DeliveryConfig, account: Account, stacks: Sequence[StackNames]) -> dict[str, list[Statement]]:
    return {
        "state": _state(config, account, stacks),
        **{stack.project: reading(stack) for stack in stacks},
        **{f"{stack.project}-changes": writing(stack) for stack in stacks},
    }


def _state(config: DeliveryConfig, account: Account, written: Sequence[StackNames]) -> list[Statement]:
    bucket = f"arn:{account.partition}:s3:::{config.state_bucket}"
    return [
        *reading_state(bucket),
        *(writing_state(bucket, written) if written else []),
        *using_secrets_key(config.secrets_key_arn),
    ]


def _main(config: DeliveryConfig) -> str:
    return f"refs/heads/{config.main_branch}"
