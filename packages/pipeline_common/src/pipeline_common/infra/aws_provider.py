"""The explicit AWS provider: the only way by which a program's resources reach AWS.

Default providers are off in every stack (`pulumi:disable-default-providers`), so a resource that did not get this one
is an error, and not a resource in whatever account the shell happens to be signed in to.
"""

import inspect
import os
import re
from collections.abc import Callable
from keyword import iskeyword
from typing import Annotated, Self

import pulumi
import pulumi_aws as aws
from pydantic import AfterValidator, Field, model_validator

from pipeline_common.infra.stack_config import StackConfig, load
from pipeline_common.tags import DEFAULT_TAG_KEYS

__all__ = ["AwsConfig", "DefaultTags", "aws_provider"]

# A tag's value: at most 256 letters, digits, spaces and + - = . _ : / @
# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
TagValue = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\w\s+\-=.:/@]*$")]
AccountId = Annotated[str, Field(pattern=r"^[0-9]{12}$")]


def _argument(service: str) -> str:
    # A service whose name is a keyword of Python, such as lambda, is an argument with an underscore.
    return f"{service}_" if iskeyword(service) else service


def _are_of_services(endpoints: dict[str, str]) -> dict[str, str]:
    known = inspect.signature(aws.ProviderEndpointArgs).parameters
    if unknown := [name for name in endpoints if _argument(name) not in known]:
        raise ValueError(f"{', '.join(unknown)}: the AWS provider knows no such service")
    return endpoints


Endpoints = Annotated[dict[str, str], AfterValidator(_are_of_services)]


class AwsConfig(StackConfig):
    """The `aws:` keys of a stack; from `access_key` on they are for the local cloud alone."""

    region: str = Field(
        description="the region that everything is made in",
        examples=["eu-west-1"],
        pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$",
    )
    allowed_account_ids: tuple[AccountId, ...] = Field(
        default=(),
        description="the accounts that this stack may be deployed to, as quoted strings of 12 digits; empty means any",
        examples=[["111122223333"]],
    )
    access_key: str | None = None
    secret_key: str | None = None
    endpoints: Endpoints = Field(
        default={}, description="an endpoint per service", examples=[{"s3": "http://127.0.0.1:4566"}]
    )
    s3_use_path_style: bool = False
    skip_credentials_validation: bool = False
    skip_requesting_account_id: bool = False
    skip_metadata_api_check: bool = False

    @model_validator(mode="after")
    def _keys_go_with_endpoints(self) -> Self:
        # A key pair in a file that is committed is a leak; the local cloud's dummy pair comes with its endpoints.
        if (self.access_key or self.secret_key) and not self.endpoints:
            raise ValueError(
                "aws:accessKey and aws:secretKey are for a local cloud with aws:endpoints; "
                "for AWS remove them and sign in with AWS_PROFILE"
            )
        return self


def _of_ci(variable: str, otherwise: str) -> Callable[[], str]:
    """Return what reads a variable that CI sets; what AWS takes in no tag, as in an author's name, becomes a hyphen."""

    def read() -> str:
        return re.sub(r"[^\w\s+\-=.:/@]", "-", os.environ.get(variable, "").strip())[:256] or otherwise

    return read


class DefaultTags(StackConfig):
    """The `tags:` keys of a stack; what is in no file is as CI's variables say, else there is a default.

    A value that differs from one deploy to the next changes every resource each time.
    """

    repository: TagValue = Field(
        default_factory=_of_ci("REPOSITORY", "data-pipeline"),
        description="where the code lives",
        examples=["example/data-pipeline"],
    )
    author: TagValue = Field(
        default_factory=_of_ci("COMMIT_AUTHOR", "unknown"),
        description="who answers for the stack",
        examples=["platform-engineering"],
    )
    pr_number: TagValue = Field(
        default_factory=_of_ci("PR_NUMBER", "none"),
        description="the pull request that last changed it",
        examples=['"42"'],
    )
    team: TagValue = Field(
        default_factory=_of_ci("TEAM", "unknown"), description="the team that pays for it", examples=["data-platform"]
    )
    created_at: TagValue = Field(description="the day it was first deployed", examples=['"2026-01-31"'])

    def as_tags(self) -> dict[str, str]:
        """Return the tags under the names they have in AWS."""
        values = self.model_dump(by_alias=True)
        return {tag: values[key] for key, tag in DEFAULT_TAG_KEYS.items()}


def aws_provider() -> aws.Provider:
    """Register the stack's provider, from its `aws:` and `tags:` configuration.

    Pass it on as `ResourceOptions(providers=[...])` of a component, and as the `provider` of an invoke. Raises
    StackConfigError for configuration that is missing or wrong.
    """
    config = load(AwsConfig, "aws")
    endpoints = {_argument(name): url for name, url in config.endpoints.items()}
    return aws.Provider(
        "aws",
        region=config.region,
        allowed_account_ids=list(config.allowed_account_ids) or None,
        access_key=config.access_key,
        secret_key=pulumi.Output.secret(config.secret_key) if config.secret_key else None,
        endpoints=[aws.ProviderEndpointArgs(**endpoints)] if endpoints else None,
        s3_use_path_style=config.s3_use_path_style or None,
        skip_credentials_validation=config.skip_credentials_validation or None,
        skip_requesting_account_id=config.skip_requesting_account_id or None,
        skip_metadata_api_check=config.skip_metadata_api_check or None,
        default_tags=aws.ProviderDefaultTagsArgs(tags=load(DefaultTags, "tags").as_tags()),
    )
