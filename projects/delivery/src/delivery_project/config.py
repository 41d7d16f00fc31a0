"""The delivery's configuration."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline_common.environments import NAME
from pipeline_common.infra.stack_config import StackConfig

__all__ = ["DeliveryConfig", "EnvironmentConfig"]

EnvironmentName = Annotated[str, Field(pattern=f"^{NAME}$")]


class EnvironmentConfig(StackConfig):
    """An environment of the account."""

    name: EnvironmentName = Field(description="the environment's name", examples=["dev"])
    targets: tuple[EnvironmentName, ...] = Field(
        default=(),
        description="the environments that this one's replication writes to; without any it has no replication",
        examples=[["dev", "staging"]],
    )
    instances: bool = Field(
        default=False, description="whether pull requests may have instances of it", examples=["true"]
    )


class DeliveryConfig(StackConfig):
    """The `delivery:` keys of an account's stack."""

    repository: str = Field(
        # Repositories made, renamed or moved since July 2026 have ids there, so that no later owner of a name is
        # trusted: https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens/
        description="the repository whose workflows are trusted, as GitHub's tokens name it",
        examples=["example@1000001/data-pipeline@2000002", "example/data-pipeline"],
        pattern=r"^[A-Za-z0-9-]+(@[0-9]+)?/[A-Za-z0-9._-]+(@[0-9]+)?$",
    )
    main_branch: str = Field(
        default="main",
        description="the branch that is deployed",
        examples=["main"],
        pattern=r"^[A-Za-z0-9._/-]+$",
    )
    state_bucket: str = Field(
        description="the bucket of PULUMI_BACKEND_URL=s3://<bucket>, which is there already",
        examples=["example-data-pipeline-state"],
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    )
    secrets_key_arn: str | None = Field(
        default=None,
        description="the KMS key of the stacks' `secretsprovider`; without one a passphrase encrypts their secrets",
        examples=["arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d"],
        pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
    )
    environments: tuple[EnvironmentConfig, ...] = Field(
        description="the account's environments", examples=[[{"name": "dev"}]], min_length=1
    )

    @model_validator(mode="after")
    def _environments_are_told_once_and_targets_among_them(self) -> Self:
        names = [environment.name for environment in self.environments]
        for environment in self.environments:
            if names.count(environment.name) > 1:
                raise ValueError(f"delivery:environments names {environment.name} twice")
            if strangers := [target for target in environment.targets if target not in names]:
                raise ValueError(f"delivery:environments has no {strangers[0]}, a target of {environment.name}")
        return self
