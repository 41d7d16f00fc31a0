"""Rights on the stacks' state, as Pulumi keeps it in a bucket.

Where each file is: https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/backend/diy/store.go and lock.go; whether a stack
is deployed, and what others promise, is told by reading every stack's file (`ListStacks` in backend.go).
"""

from collections.abc import Sequence

from delivery_project.stack_names import StackNames
from pipeline_common.infra.policies import Statement, allow

__all__ = ["reading_state", "using_secrets_key", "writing_state"]


def reading_state(bucket_arn: str) -> list[Statement]:
    """Return the statements by which every stack's state can be read."""
    return [
        allow("ListState", ["s3:ListBucket"], [bucket_arn]),
        allow(
            "ReadState",
            ["s3:GetObject"],
            [f"{bucket_arn}/{place}" for place in (".pulumi/meta.yaml", ".pulumi/stacks/*", "deploys/*")],
        ),
    ]


def writing_state(bucket_arn: str, stacks: Sequence[StackNames]) -> list[Statement]:
    """Return the statement by which the state of these stacks can be written, with history, backups and lock."""
    places = [place for stack in stacks for place in _places(stack)]
    return [
        allow(
            "WriteState",
            ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            [f"{bucket_arn}/{place}" for place in places],
        )
    ]


def using_secrets_key(key_arn: str | None) -> list[Statement]:
    """Return the statements by which secrets in the state are encrypted and read, where a KMS key does so.

    A key is changed by whose tags it has (`delivery_project.services`), so nobody may tag this one.
    """
    if not key_arn:
        return []
    return [
        allow("StateSecrets", ["kms:Decrypt", "kms:Encrypt"], [key_arn]),
        {"Sid": "UnclaimedKey", "Effect": "Deny", "Action": ["kms:TagResource"], "Resource": [key_arn]},
    ]


def _places(stack: StackNames) -> list[str]:
    own = f"{stack.project}/{stack.stack}"
    return [
        f".pulumi/stacks/{own}.*",
        f".pulumi/history/{own}/*",
        f".pulumi/backups/{own}/*",
        f".pulumi/locks/organization/{own}/*",
        f"deploys/{own}/*",
    ]
