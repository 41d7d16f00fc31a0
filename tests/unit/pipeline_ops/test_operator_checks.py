"""What is checked before anything is changed: the account, and that the operator means it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    UnauthorizedSSOTokenError,
)

from pipeline_ops.account import check_account
from pipeline_ops.confirmation import confirm, must_be_confirmed, require_terminal
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.projects import Projects, StackId
from pipeline_ops.stack_settings import StackSettings
from pipeline_ops.where import Where

ROOT = Path(__file__).parents[3]
PROD = StackId("storage", "prod")


def settings(config: Mapping[str, Any] | None = None) -> StackSettings:
    return StackSettings("projects/storage/Pulumi.prod.yaml", {}, config or {})


def failing(error: Exception) -> Callable[[str | None], str]:
    def identify(_region: str | None) -> str:
        raise error

    return identify


@pytest.mark.parametrize("allowed", [[], ["111122223333"], ["9", "111122223333"]])
def test_an_allowed_account_is_returned(allowed: list[object]) -> None:
    config = {"aws:allowedAccountIds": allowed}
    assert check_account(PROD, settings(config), lambda _: "111122223333") == "111122223333"


def test_an_account_that_yaml_has_made_a_number_is_refused_before_aws_is_asked() -> None:
    with pytest.raises(
        OperatorError, match=r"Pulumi.prod.yaml: aws:allowedAccountIds\[0\] is 123: it should be a text"
    ):
        check_account(PROD, settings({"aws:allowedAccountIds": [123]}), failing(AssertionError()))


def test_another_account_is_refused_with_both_and_the_file_that_says_so() -> None:
    config = {"aws:allowedAccountIds": ["111122223333"]}
    with pytest.raises(OperatorError, match=r"111122223333.*projects/storage/Pulumi\.prod\.yaml.*are for 444455556666"):
        check_account(PROD, settings(config), lambda _: "444455556666")


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (NoCredentialsError(), "aws sso login"),
        (UnauthorizedSSOTokenError(), "aws sso login"),
        (ClientError({"Error": {"Code": "ExpiredToken"}}, "GetCallerIdentity"), "ExpiredToken.*aws sso login"),
        (ProfileNotFound(profile="prod"), "aws configure sso"),
        (EndpointConnectionError(endpoint_url="https://sts.amazonaws.com"), "can't be reached"),
    ],
)
def test_credentials_that_do_not_work_are_one_sentence_with_the_command_that_helps(
    error: Exception, helps: str
) -> None:
    with pytest.raises(OperatorError, match=helps) as info:
        check_account(PROD, settings(), failing(error))
    assert len(str(info.value).splitlines()) == 1
    assert info.value.exit_code == FAILED


@pytest.mark.parametrize(
    ("operation", "environment", "local", "asked"),
    [
        ("deploy", "prod", False, True),
        ("refresh", "prod", False, True),
        ("destroy", "prod", False, True),
        ("destroy", "dev", False, True),
        ("deploy", "dev", False, False),
        ("preview", "prod", False, False),
        ("destroy", "prod", True, False),
        ("destroy", "prod-pr5400", False, False),
    ],
)
def test_changes_to_prod_and_every_destroy_on_aws_are_asked_about(
    operation: str, environment: str, local: bool, asked: bool
) -> None:
    projects = Projects(ROOT, Where(local=local))
    assert must_be_confirmed(operation, StackId("storage", environment), projects) is asked


def test_production_is_what_is_replicated_from_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "projects" / "replication").mkdir(parents=True)
    (tmp_path / "projects" / "replication" / "Pulumi.live.yaml").touch()
    assert must_be_confirmed("deploy", StackId("storage", "live"), Projects(tmp_path))
    assert not must_be_confirmed("deploy", StackId("storage", "prod"), Projects(tmp_path))


def test_a_change_of_who_may_deploy_to_an_account_is_asked_about() -> None:
    assert must_be_confirmed("deploy", StackId("delivery", "shared"), Projects(ROOT))
    assert not must_be_confirmed("preview", StackId("delivery", "shared"), Projects(ROOT))


def test_the_stacks_name_has_to_be_typed() -> None:
    confirm("storage/prod", "This is to deploy.", ask=lambda text: " storage/prod " if "storage/prod" in text else "")


@pytest.mark.parametrize("typed", ["yes", "y", "storage/dev", ""])
def test_anything_else_changes_nothing(typed: str) -> None:
    with pytest.raises(OperatorError, match="nothing was changed") as info:
        confirm("storage/prod", "This is to deploy.", ask=lambda _: typed)
    assert info.value.exit_code == FAILED


def test_without_a_terminal_a_change_to_prod_is_misuse() -> None:
    require_terminal("storage/prod", interactive=True)
    with pytest.raises(OperatorError, match="--yes") as info:
        require_terminal("storage/prod", interactive=False)
    assert info.value.exit_code == MISUSED
