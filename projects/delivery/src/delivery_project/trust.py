"""Which runs of GitHub's workflows may take a role.

A token's claims, and the condition keys by which AWS looks at them:
https://docs.github.com/en/actions/reference/security/oidc
https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/
"""

from collections.abc import Sequence
from typing import Any

from pipeline_common.infra.policies import document

__all__ = ["AUDIENCE", "ISSUER", "trusting"]

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
"""What `aws-actions/configure-aws-credentials` asks tokens for."""


def trusting(provider_arn: str, repository: str, *, subjects: Sequence[str], refs: Sequence[str]) -> dict[str, Any]:
    """Return the trust policy of a role for the repository's runs of these subjects on these refs.

    A subject is `environment:<name>` of a job that has one, else `pull_request` or `ref:<ref>`. The subject of a job
    with an environment says nothing of its ref, so that is a condition of its own; patterns may be refs.
    """
    return document(
        {
            "Sid": "Workflows",
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{ISSUER}:aud": AUDIENCE,
                    f"{ISSUER}:sub": [f"repo:{repository}:{subject}" for subject in subjects],
                },
                "StringLike": {f"{ISSUER}:ref": list(refs)},
            },
        }
    )
