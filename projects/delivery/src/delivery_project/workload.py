"""The bounds of the roles that the pipeline's stacks make for their functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from delivery_project.config import EnvironmentConfig
from delivery_project.services import braking, masking, sparing
from delivery_project.stack_names import Account, StackNames
from pipeline_common.infra.policies import allow, document

__all__ = ["Workload", "workloads"]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The functions of a project's stack, and the storage that they work on."""

    stack: StackNames
    written: Sequence[StackNames]
    """The storage whose objects and items they change. Their own environment's they read in any case."""

    @property
    def bounds(self) -> dict[str, Any]:
        """The policy that says what such a function may do at most.

        It works on objects, items and messages, and never on a bucket, a table, a role or a policy; a route may pause
        itself. What of it a function may, its own policy says.
        """
        account, storage = self.stack.account, replace(self.stack, project="storage")
        read = list(dict.fromkeys([storage, *self.written]))
        table = "dynamodb:{region}:{account}:table/{made}"
        return document(
            allow(
                "ReadObjects",
                ["s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion", "s3:GetObjectVersionTagging"],
                [names.arn("s3:::{made}/*") for names in read],
            ),
            allow("AbsentObjects", ["s3:ListBucket"], [names.arn("s3:::{made}") for names in read]),
            allow(
                "WriteObjects",
                [
                    "s3:AbortMultipartUpload",
                    "s3:DeleteObject",
                    "s3:ListMultipartUploadParts",
                    "s3:PutObject",
                    "s3:PutObjectTagging",
                    "s3:PutObjectVersionTagging",
                ],
                [names.arn("s3:::{made}/*") for names in self.written],
            ),
            allow(
                "ReadItems",
                [
                    "dynamodb:BatchGetItem",
                    "dynamodb:DescribeStream",
                    "dynamodb:DescribeTable",
                    "dynamodb:GetRecords",
                    "dynamodb:GetShardIterator",
                    "dynamodb:ListStreams",
                    "dynamodb:Scan",
                ],
                [names.arn(table) for names in read],
            ),
            allow(
                "WriteItems",
                ["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem"],
                [names.arn(table) for names in self.written],
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
                [names.arn("sqs:{region}:{account}:{made}") for names in (storage, self.stack)],
            ),
            allow("Notifications", ["sns:Publish"], [storage.arn("sns:{region}:{account}:{made}")]),
            # The topics' key lets in whoever publishes through SNS, and a boundary limits that too.
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
            allow(
                "TopicKeys",
                ["kms:Decrypt", "kms:GenerateDataKey"],
                [f"arn:{account.partition}:kms:{account.region}:{account.account_id}:key/*"],
                conditions={"StringEquals": {"kms:ViaService": f"sns.{account.region}.amazonaws.com"}},
            ),
            *([masking(self.stack), *braking(self.stack)] if self.stack.project == "replication" else []),
            allow(
                "Logs",
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                [self.stack.arn("logs:{region}:{account}:log-group:{made}")],
            ),
            *(sparing(self.stack) if self.stack.instances else []),
        )


def workloads(account: Account, environment: EnvironmentConfig) -> Iterator[Workload]:
    """Yield the workloads of the environment: what it processes, what it replicates, and what its instances process."""

    def names(project: str, name: str, *, instances: bool = False) -> StackNames:
        return StackNames(account=account, project=project, environment=name, instances=instances)

    yield Workload(stack=names("processing", environment.name), written=[names("storage", environment.name)])
    if environment.targets:
        targets = [names("storage", target) for target in environment.targets]
        yield Workload(stack=names("replication", environment.name), written=targets)
    if environment.instances:
        written = [names("storage", environment.name, instances=True)]
        yield Workload(stack=names("processing", environment.name, instances=True), written=written)
