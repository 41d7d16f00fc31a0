"""The account that a command's credentials are for, and who they are of."""

from collections.abc import Callable
from typing import Any

from botocore import exceptions
from botocore.config import Config
from botocore.session import get_session

from pipeline_ops.clients import ClientMaker
from pipeline_ops.errors import OperatorError
from pipeline_ops.projects import StackId
from pipeline_ops.stack_settings import StackSettings

__all__ = ["caller", "check_account"]

_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
_SIGN_IN = "`aws sso login --profile NAME` and `export AWS_PROFILE=NAME`"


def check_account(stack: StackId, settings: StackSettings, identify: Callable[[str | None], str] | None = None) -> str:
    """Return the id of the account that the credentials, which have to be of an allowed one, are for."""
    allowed = settings.texts("aws:allowedAccountIds")
    account = _identified(stack, settings.text("aws:region"), identify or _ask_aws)
    if allowed and account not in allowed:
        raise OperatorError(
            f"{stack} belongs to account {' or '.join(allowed)} (aws:allowedAccountIds in "
            f"{settings.name}), and the credentials are for {account}: {_SIGN_IN} for that account."
        )
    return account


def caller(client: ClientMaker, region: str) -> str:
    """Return who the credentials in use are of, as AWS names them; `unknown` where that can't be told."""
    try:
        return str(client("sts", region=region).get_caller_identity()["Arn"])
    except (exceptions.BotoCoreError, exceptions.ClientError):
        return "unknown"


def _identified(stack: StackId, region: str | None, identify: Callable[[str | None], str]) -> str:
    try:
        return identify(region)
    except exceptions.ProfileNotFound as error:
        raise OperatorError(f"{error}: `aws configure sso`, or `export AWS_PROFILE=` an existing one.") from error
    except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError) as error:
        raise OperatorError(f"AWS can't be reached ({error}): check the network, or deploy with --local.") from error
    except exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise OperatorError(f"AWS refuses the credentials for {stack} ({code}): {_SIGN_IN}.") from error
    except exceptions.BotoCoreError as error:
        # No credentials, half of them, or a session that has to be renewed: signing in helps with each.
        raise OperatorError(f"There are no AWS credentials for {stack} ({error}): {_SIGN_IN}.") from error


def _ask_aws(region: str | None) -> str:
    client: Any = get_session().create_client("sts", region_name=region, config=_CONFIG)
    return str(client.get_caller_identity()["Account"])
