"""The policies on an environment's own resources.

They restrict, and let AWS's services in: what a role of the account may do stands in that role's policy. Parameters
are strings or outputs of them.
"""

from typing import Any

import pulumi

from pipeline_common.infra.policies import (
    allow,
    deny_insecure_transport,
    document,
    from_account,
    key_administration,
    service,
)

__all__ = [
    "bucket_policy",
    "dead_letter_queue_policy",
    "failure_topic_policy",
    "success_topic_policy",
    "topic_key_policy",
]

Policy = dict[str, Any]
Text = pulumi.Input[str]

KEY_USE = ("kms:Decrypt", "kms:GenerateDataKey")


def bucket_policy(bucket_arn: Text) -> Policy:
    """Deny every call without TLS."""
    return document(deny_insecure_transport("s3:*", [bucket_arn, pulumi.Output.concat(bucket_arn, "/*")]))


def dead_letter_queue_policy(queue_arn: Text, account_id: Text) -> Policy:
    """Let the account's EventBridge rules send what they could not deliver; deny every call without TLS."""
    rules, ours = service("events"), from_account(account_id)
    return document(
        allow("EventBridgeDeadLetters", ["sqs:SendMessage"], [queue_arn], principal=rules, conditions=ours),
        deny_insecure_transport("sqs:*", [queue_arn]),
    )


def success_topic_policy(topic_arn: Text) -> Policy:
    """Deny publishing without TLS."""
    return document(deny_insecure_transport("sns:Publish", [topic_arn]))


def failure_topic_policy(topic_arn: Text, account_id: Text) -> Policy:
    """Let the account's alarms publish; deny publishing without TLS."""
    alarms, ours = service("cloudwatch"), from_account(account_id)
    return document(
        allow("Alarms", ["sns:Publish"], [topic_arn], principal=alarms, conditions=ours),
        deny_insecure_transport("sns:Publish", [topic_arn]),
    )


def topic_key_policy(account_arn: Text, account_id: Text, region: Text) -> Policy:
    """Let the account administer the key, and use it through SNS alone; let the account's alarms use it.

    As with the AWS managed key, a role that may publish to a topic needs no right on the key of its own. In a key's
    policy the resource `*` is the key itself.
    """
    this_key = ["*"]
    sns = pulumi.Output.concat("sns.", region, ".amazonaws.com")
    through_sns = {"StringEquals": {"kms:CallerAccount": account_id, "kms:ViaService": sns}}
    return document(
        key_administration(account_arn),
        allow("PublishersThroughSns", KEY_USE, this_key, principal={"AWS": "*"}, conditions=through_sns),
        # Without a condition on the account: AWS documents none for CloudWatch's use of a key, and one that it does
        # not send would silence every alarm. Whose alarms may publish is the topic's policy's to say.
        # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        allow("Alarms", KEY_USE, this_key, principal=service("cloudwatch")),
    )
