"""The key of a route's pseudonyms: asked for once, by nobody who does not need it, and again after a failure."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from replication_core.aws.errors import StoreError
from replication_core.aws.route_key import RouteKey

ARN = "arn:aws:kms:eu-west-1:123456789012:key/one"
ROOT = bytes(range(32))


class Kms:
    """A KMS that answers as it is told to."""

    def __init__(self, *answers: Any, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self._meanwhile = meanwhile

    def generate_mac(self, **asked: Any) -> Any:
        self.asked.append(asked)
        self._meanwhile()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "refused"}}, "GenerateMac")


def test_one_call_makes_the_root_of_a_process() -> None:
    kms = Kms({"Mac": ROOT})
    key = RouteKey(kms=kms, arn=ARN)
    assert not kms.asked
    assert [key.root(), key.root()] == [ROOT, ROOT]
    assert kms.asked == [{"KeyId": ARN, "Message": b"pipeline.masking/1", "MacAlgorithm": "HMAC_SHA_256"}]
    assert ROOT.hex() not in repr(key)
    assert repr(ROOT) not in repr(key)


@pytest.mark.parametrize(
    "failure", [refusal("AccessDeniedException"), refusal("ValidationException"), refusal("DisabledException"), {}]
)
def test_without_the_key_the_failure_is_worth_a_retry_and_the_next_one_calls_again(failure: Any) -> None:
    key = RouteKey(kms=Kms(failure, {"Mac": ROOT}), arn=ARN)
    with pytest.raises(StoreError, match="nothing can be masked: GenerateMac") as raised:
        key.root()
    assert (raised.value.kind, raised.value.permanent) == ("MaskKey", False)
    assert key.root() == ROOT


@pytest.mark.parametrize("answer", [{"Mac": ROOT}, refusal("KMSInternalException")])
def test_threads_that_wait_for_a_call_share_what_came_of_it(answer: Any) -> None:
    waiting = threading.Barrier(8)
    kms = Kms(answer, answer, meanwhile=lambda: threading.Event().wait(0.05))
    key = RouteKey(kms=kms, arn=ARN)

    def root() -> bytes | str:
        waiting.wait()
        try:
            return key.root()
        except StoreError as error:
            return error.kind

    with ThreadPoolExecutor(8) as threads:
        found = {future.result() for future in [threads.submit(root) for _ in range(8)]}
    assert found == {ROOT if isinstance(answer, dict) else "MaskKey"}
    assert len(kms.asked) == 1
