"""What the `aws` provider calls to look at, and to make and change, what the projects declare.

Per service: the resource types, and the rights. That each declared type is here, and no other service than a project
declares, is held by tests/infra/test_delivery.py. Which resource each action takes:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delivery_project.stack_names import StackNames
from pipeline_common.infra.policies import Statement, allow

__all__ = [
    "PROJECTS",
    "SERVICES",
    "Grant",
    "Service",
    "braking",
    "emptying",
    "masking",
    "reading",
    "sparing",
    "writing",
]

Conditions = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Actions on resources, by the patterns that `StackNames.arn` fills in."""

    actions: tuple[str, ...]
    on: tuple[str, ...] = ()
    """Empty for actions that AWS limits to no resource."""
    where: Callable[[StackNames], Conditions] | None = None

    def statement(self, sid: str, names: StackNames) -> Statement:
        """Return the policy's statement for the stack of these names."""
        return allow(
            sid,
            self.actions,
            [names.arn(pattern) for pattern in self.on] or ["*"],
            conditions=self.where(names) if self.where else None,
        )


@dataclass(frozen=True, kw_only=True)
class Service:
    """The rights on what the provider makes of a service's resource types."""

    types: tuple[str, ...]
    reads: tuple[Grant, ...]
    writes: tuple[Grant, ...]


def _owned(names: StackNames) -> Conditions:
    return {"StringLike": {f"aws:ResourceTag/{key}": value for key, value in names.tags.items()}}


def _made_as_own(names: StackNames) -> Conditions:
    return {"StringLike": {f"aws:RequestTag/{key}": value for key, value in names.tags.items()}}


def _claimed(names: StackNames) -> Conditions:
    # What has an owner can't be claimed: whoever could set its tags would make it his own.
    return {**_made_as_own(names), "Null": {"aws:ResourceTag/Environment": "true"}}


def _bounded(names: StackNames) -> Conditions:
    return {"ArnEquals": {"iam:PermissionsBoundary": names.boundary_arn}}


def _to_lambda(_names: StackNames) -> Conditions:
    return {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


def _of_own_functions(names: StackNames) -> Conditions:
    return {"ArnLike": {"lambda:FunctionArn": names.arn("lambda:{region}:{account}:function:{made}")}}


_BUCKETS = ("s3:::{made}",)
_TABLES = ("dynamodb:{region}:{account}:table/{made}",)
# A call on a subscription is authorized on its topic: "not authorized to perform: SNS:Unsubscribe on resource: topic".
_TOPICS = ("sns:{region}:{account}:{made}",)
_QUEUES = ("sqs:{region}:{account}:{made}",)
_KEYS = ("kms:{region}:{account}:key/*",)
_ROLES = ("iam::{account}:role/{made}",)
_FUNCTIONS = ("lambda:{region}:{account}:function:{made}",)
_MAPPINGS = ("lambda:{region}:{account}:event-source-mapping:*",)
_RULES = ("events:{region}:{account}:rule/{made}",)
_LOG_GROUPS = ("logs:{region}:{account}:log-group:{made}",)
_ALARMS = ("cloudwatch:{region}:{account}:alarm:{made}",)
# These are named after their stack, with nothing behind it.
_DASHBOARDS = ("cloudwatch::{account}:dashboard/{named}",)
_TRAILS = ("cloudtrail:{region}:{account}:trail/{named}",)

SERVICES: Mapping[str, Service] = {
    "Buckets": Service(
        types=(
            "aws:s3/bucket:Bucket",
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            "aws:s3/bucketNotification:BucketNotification",
            "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
            "aws:s3/bucketPolicy:BucketPolicy",
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "aws:s3/bucketVersioning:BucketVersioning",
        ),
        reads=(
            Grant(
                # Whether a bucket is there is asked by HeadBucket, which takes ListBucket.
                actions=(
                    "s3:GetAccelerateConfiguration",
                    "s3:GetBucketAcl",
                    "s3:GetBucketCORS",
                    "s3:GetBucketLocation",
                    "s3:GetBucketLogging",
                    "s3:GetBucketNotification",
                    "s3:GetBucketObjectLockConfiguration",
                    "s3:GetBucketOwnershipControls",
                    "s3:GetBucketPolicy",
                    "s3:GetBucketPublicAccessBlock",
                    "s3:GetBucketRequestPayment",
                    "s3:GetBucketTagging",
                    "s3:GetBucketVersioning",
                    "s3:GetBucketWebsite",
                    "s3:GetEncryptionConfiguration",
                    "s3:GetLifecycleConfiguration",
                    "s3:GetReplicationConfiguration",
                    "s3:ListBucket",
                    "s3:ListTagsForResource",
                ),
                on=_BUCKETS,
            ),
        ),
        writes=(
            Grant(
                actions=(
                    "s3:CreateBucket",
                    "s3:DeleteBucket",
                    "s3:DeleteBucketPolicy",
                    "s3:PutBucketNotification",
                    "s3:PutBucketOwnershipControls",
                    "s3:PutBucketPolicy",
                    "s3:PutBucketPublicAccessBlock",
                    "s3:PutBucketTagging",
                    "s3:PutBucketVersioning",
                    "s3:PutEncryptionConfiguration",
                    "s3:PutLifecycleConfiguration",
                    "s3:TagResource",
                    "s3:UntagResource",
                ),
                on=_BUCKETS,
            ),
        ),
    ),
    "Tables": Service(
        types=("aws:dynamodb/table:Table",),
        reads=(
            Grant(
                actions=(
                    "dynamodb:DescribeContinuousBackups",
                    "dynamodb:DescribeTable",
                    "dynamodb:DescribeTimeToLive",
                    "dynamodb:ListTagsOfResource",
                ),
                on=_TABLES,
            ),
        ),
        writes=(
            Grant(
                actions=(
                    "dynamodb:CreateTable",
                    "dynamodb:DeleteTable",
                    "dynamodb:TagResource",
                    "dynamodb:UntagResource",
                    "dynamodb:UpdateContinuousBackups",
                    "dynamodb:UpdateTable",
                    "dynamodb:UpdateTimeToLive",
                ),
                on=_TABLES,
            ),
        ),
    ),
    "Topics": Service(
        types=(
            "aws:sns/topic:Topic",
            "aws:sns/topicPolicy:TopicPolicy",
            "aws:sns/topicSubscription:TopicSubscription",
        ),
        reads=(
            Grant(
                actions=("sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListTagsForResource"),
                on=_TOPICS,
            ),
        ),
        writes=(
            Grant(
                actions=(
                    "sns:CreateTopic",
                    "sns:DeleteTopic",
                    "sns:SetSubscriptionAttributes",
                    "sns:SetTopicAttributes",
                    "sns:Subscribe",
                    "sns:TagResource",
                    "sns:Unsubscribe",
                    "sns:UntagResource",
                ),
                on=_TOPICS,
            ),
        ),
    ),
    "Keys": Service(
        types=("aws:kms/key:Key",),
        reads=(
            Grant(
                actions=(
                    "kms:DescribeKey",
                    "kms:GetKeyPolicy",
                    "kms:GetKeyRotationStatus",
                    "kms:ListResourceTags",
                ),
                on=_KEYS,
                where=_owned,
            ),
        ),
        writes=(
            # A key has no name. It is told by its tags, which it is made with.
            Grant(actions=("kms:CreateKey",), where=_made_as_own),
            Grant(actions=("kms:TagResource",), on=_KEYS, where=_claimed),
            Grant(
                actions=(
                    "kms:DisableKeyRotation",
                    "kms:EnableKeyRotation",
                    "kms:PutKeyPolicy",
                    "kms:ScheduleKeyDeletion",
                    "kms:TagResource",
                    "kms:UntagResource",
                    "kms:UpdateKeyDescription",
                ),
                on=_KEYS,
                where=_owned,
            ),
        ),
    ),
    "Queues": Service(
        types=("aws:sqs/queue:Queue", "aws:sqs/queuePolicy:QueuePolicy"),
        reads=(Grant(actions=("sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"), on=_QUEUES),),
        writes=(
            Grant(
                actions=(
                    "sqs:CreateQueue",
                    "sqs:DeleteQueue",
                    "sqs:SetQueueAttributes",
                    "sqs:TagQueue",
                    "sqs:UntagQueue",
                ),
                on=_QUEUES,
            ),
        ),
    ),
    "Roles": Service(
        types=("aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"),
        reads=(
            Grant(
                actions=(
                    "iam:GetRole",
                    "iam:GetRolePolicy",
                    "iam:ListAttachedRolePolicies",
                    "iam:ListInstanceProfilesForRole",
                    "iam:ListRolePolicies",
                    "iam:ListRoleTags",
                ),
                on=_ROLES,
            ),
        ),
        writes=(
            # Without the boundary, whoever may make a role may do whatever he lets it do.
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
            Grant(
                actions=("iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"),
                on=_ROLES,
                where=_bounded,
            ),
            Grant(
                actions=(
                    "iam:DeleteRole",
                    "iam:DeleteRolePolicy",
                    "iam:TagRole",
                    "iam:UntagRole",
                    "iam:UpdateAssumeRolePolicy",
                    "iam:UpdateRole",
                ),
                on=_ROLES,
            ),
            Grant(actions=("iam:PassRole",), on=_ROLES, where=_to_lambda),
        ),
    ),
    "Functions": Service(
        types=(
            "aws:lambda/alias:Alias",
            "aws:lambda/eventSourceMapping:EventSourceMapping",
            "aws:lambda/function:Function",
            "aws:lambda/functionRecursionConfig:FunctionRecursionConfig",
            "aws:lambda/permission:Permission",
        ),
        reads=(
            Grant(
                actions=(
                    "lambda:GetAlias",
                    "lambda:GetFunction",
                    "lambda:GetFunctionCodeSigningConfig",
                    "lambda:GetFunctionConcurrency",
                    "lambda:GetFunctionConfiguration",
                    "lambda:GetFunctionRecursionConfig",
                    "lambda:GetPolicy",
                    "lambda:ListTags",
                    "lambda:ListVersionsByFunction",
                ),
                on=_FUNCTIONS,
            ),
            Grant(actions=("lambda:GetEventSourceMapping",), on=_MAPPINGS, where=_of_own_functions),
            Grant(actions=("lambda:ListTags",), on=_MAPPINGS, where=_owned),
        ),
        writes=(
            Grant(
                actions=(
                    "lambda:AddPermission",
                    "lambda:CreateAlias",
                    "lambda:CreateFunction",
                    "lambda:DeleteAlias",
                    "lambda:DeleteFunction",
                    "lambda:PublishVersion",
                    "lambda:PutFunctionRecursionConfig",
                    "lambda:RemovePermission",
                    "lambda:TagResource",
                    "lambda:UntagResource",
                    "lambda:UpdateAlias",
                    "lambda:UpdateFunctionCode",
                    "lambda:UpdateFunctionConfiguration",
                ),
                on=_FUNCTIONS,
            ),
            Grant(actions=("lambda:CreateEventSourceMapping",), where=_of_own_functions),
            Grant(
                actions=("lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"),
                on=_MAPPINGS,
                where=_of_own_functions,
            ),
            Grant(actions=("lambda:TagResource",), on=_MAPPINGS, where=_claimed),
            Grant(actions=("lambda:TagResource", "lambda:UntagResource"), on=_MAPPINGS, where=_owned),
        ),
    ),
    "Rules": Service(
        types=("aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/eventTarget:EventTarget"),
        reads=(
            Grant(actions=("events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"), on=_RULES),
        ),
        writes=(
            Grant(
                actions=(
                    "events:DeleteRule",
                    "events:PutRule",
                    "events:PutTargets",
                    "events:RemoveTargets",
                    "events:TagResource",
                    "events:UntagResource",
                ),
                on=_RULES,
            ),
        ),
    ),
    "Logs": Service(
        types=("aws:cloudwatch/logGroup:LogGroup",),
        reads=(
            Grant(actions=("logs:ListTagsForResource",), on=_LOG_GROUPS),
            Grant(actions=("logs:DescribeLogGroups",)),
        ),
        writes=(
            Grant(
                actions=(
                    "logs:CreateLogGroup",
                    "logs:DeleteLogGroup",
                    "logs:PutRetentionPolicy",
                    "logs:TagResource",
                    "logs:UntagResource",
                ),
                on=_LOG_GROUPS,
            ),
        ),
    ),
    "Alarms": Service(
        types=("aws:cloudwatch/metricAlarm:MetricAlarm",),
        reads=(Grant(actions=("cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"), on=_ALARMS),),
        writes=(
            Grant(
                actions=(
                    "cloudwatch:DeleteAlarms",
                    "cloudwatch:PutMetricAlarm",
                    "cloudwatch:TagResource",
                    "cloudwatch:UntagResource",
                ),
                on=_ALARMS,
            ),
        ),
    ),
    "Dashboards": Service(
        types=("aws:cloudwatch/dashboard:Dashboard",),
        reads=(Grant(actions=("cloudwatch:GetDashboard",), on=_DASHBOARDS),),
        writes=(Grant(actions=("cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"), on=_DASHBOARDS),),
    ),
    "Trails": Service(
        types=("aws:cloudtrail/trail:Trail",),
        reads=(
            Grant(
                actions=(
                    "cloudtrail:GetEventSelectors",
                    "cloudtrail:GetInsightSelectors",
                    "cloudtrail:GetTrail",
                    "cloudtrail:GetTrailStatus",
                    "cloudtrail:ListTags",
                ),
                on=_TRAILS,
            ),
            Grant(actions=("cloudtrail:DescribeTrails",)),
        ),
        writes=(
            Grant(
                actions=(
                    "cloudtrail:AddTags",
                    "cloudtrail:CreateTrail",
                    "cloudtrail:DeleteTrail",
                    "cloudtrail:PutEventSelectors",
                    "cloudtrail:RemoveTags",
                    "cloudtrail:StartLogging",
                    "cloudtrail:StopLogging",
                    "cloudtrail:UpdateTrail",
                ),
                on=_TRAILS,
            ),
        ),
    ),
}
"""The services by the word that the statements on them are named after."""

_OF_FUNCTIONS = ("Alarms", "Dashboards", "Functions", "Logs", "Queues", "Roles", "Rules")

PROJECTS: Mapping[str, Sequence[str]] = {
    "storage": ("Alarms", "Buckets", "Keys", "Queues", "Tables", "Topics"),
    "processing": _OF_FUNCTIONS,
    "replication": (*_OF_FUNCTIONS, "Buckets", "Keys", "Tables", "Trails"),
}
"""The services of which each project declares something."""


def reading(names: StackNames) -> list[Statement]:
    """Return the statements by which what a project's stack has made can be looked at."""
    return [
        grant.statement(f"Read{service}{number or ''}", names)
        for service in PROJECTS[names.project]
        for number, grant in enumerate(SERVICES[service].reads)
    ]


def writing(names: StackNames) -> list[Statement]:
    """Return the statements by which what a project's stack declares can be made, changed and deleted.

    An object, an item or a message is none of it: a bucket that holds objects can't be deleted by them.
    """
    return [
        grant.statement(f"Write{service}{number or ''}", names)
        for service in PROJECTS[names.project]
        for number, grant in enumerate(SERVICES[service].writes)
    ]


def emptying(names: StackNames) -> list[Statement]:
    """Return the statements by which buckets can be deleted with the objects in them."""
    empty = Grant(
        actions=("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"),
        on=(*_BUCKETS, "s3:::{made}/*"),
    )
    return [empty.statement("EmptyBuckets", names)] if "Buckets" in PROJECTS[names.project] else []


def masking(names: StackNames) -> Statement:
    """Return the statement by which pseudonyms can be made with a stack's own keys."""
    return Grant(actions=("kms:GenerateMac",), on=_KEYS, where=_owned).statement("Pseudonyms", names)


def braking(names: StackNames) -> list[Statement]:
    """Return the statements by which a stack's functions can count in its own tables, and pause themselves."""
    counting = Grant(actions=("dynamodb:GetItem", "dynamodb:UpdateItem"), on=_TABLES)
    finding = Grant(actions=("lambda:ListEventSourceMappings",))
    pausing = Grant(actions=("lambda:UpdateEventSourceMapping",), on=_MAPPINGS, where=_of_own_functions)
    return [
        grant.statement(sid, names)
        for sid, grant in (("CountDeletes", counting), ("FindMappings", finding), ("PauseItself", pausing))
    ]


def sparing(names: StackNames) -> list[Statement]:
    """Return the statements that deny what is the environment's own to who may change its instances.

    To a policy `processing-dev-processor` is named as an instance `pr...` is, which a number follows in truth.
    """
    services = [SERVICES[service] for service in PROJECTS[names.project]]
    grants = [grant for service in services for grant in (*service.reads, *service.writes)]
    named = dict.fromkeys(pattern for grant in grants for pattern in grant.on if "{made}" in pattern)
    own = {
        pattern: names.arn(pattern.replace("{made}", f"{names.project}-{names.environment}-pro*")) for pattern in named
    }
    sid = f"Spare{names.project.capitalize()}"
    denied: Statement = {"Effect": "Deny", "Action": "*"}
    spared: list[Statement] = [{"Sid": sid, **denied, "Resource": list(own.values())}]
    if "Functions" in PROJECTS[names.project]:  # a mapping is told by its function alone
        functions = {"ArnLike": {"lambda:FunctionArn": [own[pattern] for pattern in _FUNCTIONS]}}
        spared.append({"Sid": f"{sid}Mappings", **denied, "Resource": "*", "Condition": functions})
    return spared
