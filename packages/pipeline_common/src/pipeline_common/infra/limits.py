"""What AWS takes of a document that several settings make together, and how long ours can get.

A configuration is checked before anything is made, when nothing has its name yet. So documents are made as they would
be, with names that are as long as the engine's can be, and measured.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline_common.contracts import StorageOutputs, StoredDataset
from pipeline_common.environments import Environment
from pipeline_common.infra.policies import Statement, function_policy
from replication_core.datasets import ITEMS, OBJECTS

__all__ = [
    "LONGEST_NAME",
    "PATTERN_CHARACTERS",
    "QUEUE_SECONDS",
    "RETENTION_DAYS",
    "AlarmCount",
    "RetentionDays",
    "function_faults",
    "longest_key_arn",
    "longest_queue_arn",
    "longest_queue_url",
    "longest_storage",
    "longest_table_arn",
    "pattern_fault",
]

ROLE_POLICY_CHARACTERS = 10_240
"""Of all inline policies of a role, white space not counted.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

ENVIRONMENT_BYTES = 4096
"""Of a function's variables, which Lambda measures as the JSON object that they are sent in.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

PATTERN_CHARACTERS = 2048
"""Of a rule's pattern; https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html."""

QUEUE_SECONDS = 14 * 24 * 3600
"""As long as SQS keeps a message at most: none gets older.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

AlarmCount = Annotated[int, Field(ge=1, le=2**53)]
"""How many of something alarm: CloudWatch has a threshold as a double, which counts exactly up to here.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""


def _is_cloudwatchs(days: int) -> int:
    if days not in RETENTION_DAYS:
        raise ValueError(f"CloudWatch Logs keeps logs for one of {', '.join(map(str, sorted(RETENTION_DAYS)))} days")
    return days


RetentionDays = Annotated[int, AfterValidator(_is_cloudwatchs)]
"""A number of days that CloudWatch Logs keeps a log group's events for."""

LONGEST_NAME = "n" * 64
"""As long as a function's name may be; https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html."""

_PARTITION = "aws-us-gov"
_REGION = "ap-southeast-1"
_ACCOUNT = "0" * 12
_STREAM = "2026-01-01T00:00:00.000"


def longest_storage(environment: Environment) -> StorageOutputs:
    """Return the contract of an environment's storage whose names are as long as the engine's, but of one letter."""
    name = "n" * len(f"storage-{environment}-dead-letters-1a2b3c4")  # the pattern in projects/storage/Pulumi.yaml
    table = _arn("dynamodb", f"table/{name}")
    return StorageOutputs(
        environment=environment.name,
        suffix=environment.suffix,
        region=_REGION,
        account_id=_ACCOUNT,
        datasets={
            OBJECTS.name: StoredDataset(dataset=OBJECTS, name=name, arn=f"arn:{_PARTITION}:s3:::{name}"),
            ITEMS.name: StoredDataset(dataset=ITEMS, name=name, arn=table, stream_arn=f"{table}/stream/{_STREAM}"),
        },
        success_topic_arn=_arn("sns", name),
        failure_topic_arn=_arn("sns", name),
        dlq_url=_queue_url(name),
        dlq_arn=_arn("sqs", name),
        dlq_alarm_name=name,
    )


def longest_queue_url() -> str:
    """Return a queue's URL that is as long as it can be."""
    return _queue_url(LONGEST_NAME)


def longest_queue_arn() -> str:
    """Return a queue's ARN that is as long as it can be."""
    return _arn("sqs", LONGEST_NAME)


def longest_table_arn() -> str:
    """Return a table's ARN that is as long as it can be."""
    return _arn("dynamodb", f"table/{LONGEST_NAME}")


def longest_key_arn() -> str:
    """Return the ARN of a key of KMS, which are all of one length but for the region."""
    return _arn("kms", f"key/{uuid.UUID(int=0)}")


def function_faults(*, rights: Sequence[Statement], environment: Mapping[str, str]) -> list[str]:
    """Say what AWS would refuse of a function's role and environment for their size; nothing when it fits."""
    # Escaped, as it is sent: IAM takes no character beyond U+00FF.
    document = json.dumps(function_policy(rights, _arn("logs", f"log-group:{LONGEST_NAME}")), separators=(",", ":"))
    policy = len(document)
    variables = len(json.dumps(dict(environment), ensure_ascii=False, separators=(",", ":")).encode())
    faults = []
    if policy > ROLE_POLICY_CHARACTERS:
        faults.append(f"its role a policy of up to {policy:,} characters (IAM takes {ROLE_POLICY_CHARACTERS:,})")
    if variables > ENVIRONMENT_BYTES:
        faults.append(f"the function an environment of up to {variables:,} bytes (Lambda takes {ENVIRONMENT_BYTES:,})")
    return faults


def pattern_fault(pattern: str) -> str | None:
    """Say what EventBridge would refuse of a pattern for its size; None when it fits."""
    if len(pattern) <= PATTERN_CHARACTERS:
        return None
    return f"a rule a pattern of up to {len(pattern):,} characters (EventBridge takes {PATTERN_CHARACTERS:,})"


def _arn(service: str, resource: str) -> str:
    return f"arn:{_PARTITION}:{service}:{_REGION}:{_ACCOUNT}:{resource}"


def _queue_url(name: str) -> str:
    return f"https://sqs.{_REGION}.amazonaws.com/{_ACCOUNT}/{name}"
