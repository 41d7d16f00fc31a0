"""IAM policy documents as plain dictionaries.

Pure: statements are built from strings, so a policy is tested without Pulumi. In a component, build the document
inside `apply`, or from outputs with `pulumi.Output.json_dumps`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "Statement",
    "allow",
    "assume_role",
    "deny_insecure_transport",
    "document",
    "from_account",
    "function_policy",
    "key_administration",
    "objects",
    "queue_for_rules",
    "service",
    "starting_with",
]

Statement = dict[str, Any]

KEY_ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
)


def document(*statements: Statement) -> dict[str, Any]:
    """Return a policy document of the given statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[Any],
    *,
    principal: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Mapping[str, Any]] | None = None,
) -> Statement:
    """Return a statement that allows the actions on the resources.

    A policy on a resource names its `principal`; a role's own policy does not. Raises ValueError for a wildcard in an
    action, which would grant more whenever AWS adds an action.
    """
    if wild := [action for action in actions if "*" in action]:
        raise ValueError(f"Statement {sid} allows {', '.join(wild)}: name the actions one by one.")
    statement: Statement = {"Sid": sid, "Effect": "Allow"}
    if principal is not None:
        statement["Principal"] = dict(principal)
    statement |= {"Action": list(actions), "Resource": list(resources)}
    if conditions is not None:
        statement["Condition"] = {operator: dict(keys) for operator, keys in conditions.items()}
    return statement


def deny_insecure_transport(action: str, resources: Sequence[Any]) -> Statement:
    """Return a resource policy's statement that denies everyone the action without TLS."""
    return {
        "Sid": "DenyInsecureTransport",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": action,
        "Resource": list(resources),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def key_administration(account_arn: Any) -> Statement:
    """Return the statement by which the account administers a key of KMS, in whose policy `*` is the key itself."""
    return allow("Administration", KEY_ADMINISTRATION, ["*"], principal={"AWS": account_arn})


def service(name: str) -> dict[str, str]:
    """Return an AWS service as a principal, such as `service("events")`."""
    return {"Service": f"{name}.amazonaws.com"}


def from_account(account_id: Any) -> dict[str, dict[str, Any]]:
    """Return the condition that a service acts for the given account, so that no other account's use of it passes."""
    return {"StringEquals": {"aws:SourceAccount": account_id}}


def queue_for_rules(*, queue_arn: Any, rule_arns: Any, account_id: Any) -> dict[str, Any]:
    """Return a queue's policy that lets EventBridge's rules, one or several, send, and denies calls without TLS."""
    return document(
        allow(
            "EventsOfRules",
            ["sqs:SendMessage"],
            [queue_arn],
            principal=service("events"),
            conditions={"ArnEquals": {"aws:SourceArn": rule_arns}, **from_account(account_id)},
        ),
        deny_insecure_transport("sqs:*", [queue_arn]),
    )


def assume_role(principal: Mapping[str, Any]) -> dict[str, Any]:
    """Return a role's trust policy for one principal."""
    return document(
        {
            "Sid": "AssumeRole",
            "Effect": "Allow",
            "Principal": dict(principal),
            "Action": "sts:AssumeRole",
        }
    )


def function_policy(rights: Sequence[Statement], log_group_arn: str) -> dict[str, Any]:
    """Return the policy of a function's role: the rights, and to write to its own log group."""
    logs = allow("OwnLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:*"])
    return document(*rights, logs)


def starting_with(prefix: str) -> str:
    """Return the policy's pattern for every text with that prefix, whose characters stand for themselves.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    return f"{prefix.translate(_LITERALLY)}*"


def objects(bucket_arn: str, prefixes: Sequence[str]) -> list[str]:
    """Return the objects of a bucket under any of the prefixes, as resources of a policy."""
    return [f"{bucket_arn}/{starting_with(prefix)}" for prefix in prefixes]


_LITERALLY = str.maketrans({"*": "${*}", "?": "${?}", "$": "${$}"})
