"""The meaning of AWS's refusals for a replica: whether a retry can help, in words that hold none of the data."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from replication_core.aws.errors import StoreError

__all__ = [
    "PERMANENT_CODES",
    "code_of",
    "is_of_a_call",
    "told",
    "translated",
    "unexpected",
    "unreadable",
]

PERMANENT_CODES = frozenset(
    {
        # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: what is wrong is the object itself.
        # A bucket or table that is gone, a denied right or a disabled key are not here: somebody may mend those
        # while the notice is retried, and its envelope says what it was if nobody does.
        # Nor is the bare status 400 of a head, whose answer has no code: an expired token is one, too.
        "EntityTooLarge",
        "InvalidArgument",
        "InvalidObjectState",
        "InvalidRequest",
        "InvalidTag",
        "KeyTooLongError",
        "MaxMessageLengthExceeded",
        "MetadataTooLarge",
        "ObjectNotInActiveTierError",
        "RequestHeaderSectionTooLarge",
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
        "ItemCollectionSizeLimitExceededException",
        "ValidationException",
    }
)
"""Error codes after which the same call can only fail again."""

_MESSAGE_LENGTH = 500

_BARE: Mapping[tuple[str, str], str] = {
    ("HeadObject", "400"): "S3 does not say why: the credentials may have expired, or the KMS key that encrypts the "
    "object may be disabled, or the object may be encrypted with a key that its writer keeps",
    ("HeadObject", "403"): "S3 does not say why: s3:GetObject may be missing, or kms:Decrypt where a KMS key encrypts "
    "the object",
    ("HeadBucket", "403"): "S3 does not say why: s3:ListBucket may be missing",
}
"""What the bare status of a head, whose answer has no body, may mean.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html: a generic code, 400, 403 or 404; and a role that
heads an object encrypted with a KMS key needs kms:Decrypt for its checksum.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html: s3:ListBucket.
"""


def code_of(error: ClientError) -> str:
    """Return the service's error code; for a head, whose answer has no body, the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Raise StoreError in place of whatever comes of a call in the block.

    Throttles, faults and timeouts are retryable, and so is whatever is unknown: a retry costs little, and the
    envelope after the last one still says why. botocore's own validation quotes the refused value, and an answer that
    it can't read is quoted too, by an error of Python's own: either may be data, so that only the fact is told.
    """
    try:
        yield
    except StoreError:
        raise
    except ClientError as error:
        code = code_of(error) or type(error).__name__
        text = str(error.response.get("Error", {}).get("Message", ""))[:_MESSAGE_LENGTH]
        if (operation, code) in _BARE:
            text = f"{text}; {_BARE[operation, code]}"
        # DynamoDB reports some throttles as a 400 of its own names, none of which is in the list.
        raise StoreError(code, f"{operation}: {text or code}", permanent=code in PERMANENT_CODES) from error
    except ParamValidationError as error:
        raise StoreError("ParamValidationError", f"{operation}: not a valid request", permanent=True) from error
    except BotoCoreError as error:
        raise StoreError(type(error).__name__, f"{operation}: {str(error)[:_MESSAGE_LENGTH]}") from error
    except Exception as error:
        raise StoreError(type(error).__name__, f"{operation}: {unreadable(error)}") from error


def is_of_a_call(error: BaseException) -> bool:
    """Tell whether an error came of a call, whatever botocore lets through of what it uses to read an answer."""
    modules = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(module.partition(".")[0] == "botocore" for module in modules)


def unreadable(error: BaseException) -> str:
    """Say that an answer can't be read, and where that was found."""
    return f"the answer can't be read, at {_place(error)}"


def told(operation: str, answer: Any, *names: str) -> Any:
    """Return what an answer has under these names, one within the other.

    Raises a retryable StoreError where it is not there: a status of success alone does not tell that anything was
    done. S3 sends it before it copies (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html), and a
    proxy or an answer cut short has no more than that.
    """
    found = answer
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is None:
        raise StoreError("EmptyAnswer", f"{operation}: answered with success, but without {names[-1]}")
    return found


def unexpected(error: BaseException) -> StoreError:
    """Return how a fault of the program itself is told: by its type and place, since its text may quote data."""
    return StoreError(type(error).__name__, f"unexpected, at {_place(error)}")


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
