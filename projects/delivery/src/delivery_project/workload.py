"""The bounds of the roles that the pipeline's stacks make for their functions."""

from collections.abc import Iterable
from typing import Any

from delivery_project.config import EnvironmentConfig
from delivery_project.stack_names import Account, StackNames
from pipeline_common.infra.policies import allow, document

__all__ = ["workload_boundary"]


def workload_boundary(account: Account, environment: EnvironmentConfig) -> dict[str, Any]:
    """Return the policy that says what a function of the environment may do at most.

    It works on the data of its own environment and, where it replicates, of its targets: on objects, items and
    messages, and never on a bucket, a table, a role or a policy. What of it a function may, its own policy says.
    """
    places = (environment.name, *environment.targets)

    def of(projects: Iterable[str], pattern: str) -> list[str]:
        named = [
            StackNames(account=account, project=project, environment=place) for project in projects for place in places
        ]
        return [names.arn(pattern) for names in named]

    working = ("processing", "replication")
    topics = of(["storage"], "sns:{region}:{account}:{made}")
    return document(
        allow(
            "Objects",
            [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:GetObjectTagging",
                "s3:GetObjectVersion",
                "s3:GetObjectVersionTagging",
                "s3:PutObject",
                "s3:PutObjectTagging",
                "s3:PutObjectVersionTagging",
            ],
            of(["storage"], "s3:::{made}/*"),
        ),
        allow("AbsentObjects", ["s3:ListBucket"], of(["storage"], "s3:::{made}")),
        allow(
            "Items",
            [
                "dynamodb:BatchGetItem",
                "dynamodb:BatchWriteItem",
                "dynamodb:DescribeStream",
                "dynamodb:DescribeTable",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
                "dynamodb:PutItem",
                "dynamodb:Scan",
            ],
            of(["storage"], "dynamodb:{region}:{account}:table/{made}"),
        ),
        allow(
            "Messages",
            [
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
                "sqs:SendMessage",
            ],
            of(["storage", *working], "sqs:{region}:{account}:{made}"),
        ),
        allow("Notifications", ["sns:Publish"], topics),
        # The topics' key lets in whoever publishes through SNS, and a boundary limits that too.
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
        allow(
            "TopicKeys",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [f"arn:{account.partition}:kms:{account.region}:{account.account_id}:key/*"],
            conditions={"StringEquals": {"kms:ViaService": f"sns.{account.region}.amazonaws.com"}},
        ),
        allow(
            "Logs",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            of(working, "logs:{region}:{account}:log-group:{made}"),
        ),
    )
