"""The key that a route's pseudonyms are made with: one call of KMS per process, and none before it is needed."""

import threading
from dataclasses import dataclass, field
from typing import Any

from replication_core.aws.errors import StoreError
from replication_core.aws.failures import told, translated
from replication_core.masking.pseudonyms import ROOT_MESSAGE

__all__ = ["RouteKey"]

_ALGORITHM = "HMAC_SHA_256"


@dataclass(slots=True, kw_only=True)
class RouteKey:
    """An HMAC key of KMS, whose material never leaves it, and the root that a route's own keys are derived from.

    The root is asked for when it is first needed, by one of the threads that need it, and kept in memory alone. What
    fails is not kept: the next one who asks calls again. Those who waited meanwhile are told the same failure, so that
    a batch doesn't call for each of its keys in turn.
    """

    kms: Any
    """A client of KMS in the key's region."""

    arn: str
    _root: bytes = field(default=b"", init=False, repr=False)
    _failure: StoreError | None = field(default=None, init=False)
    _calls: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def root(self) -> bytes:
        """Return 32 bytes, always the same of the same key; raises a retryable StoreError, `MaskKey`, without it."""
        if not self._root:
            before = self._calls
            with self._lock:
                if self._calls == before:
                    self._call()
        if not self._root:
            raise StoreError("MaskKey", f"nothing can be masked: {self._failure}")
        return self._root

    def _call(self) -> None:
        try:
            # https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateMac.html: the same key and message always
            # make the same code.
            with translated("GenerateMac"):
                answer = self.kms.generate_mac(KeyId=self.arn, Message=ROOT_MESSAGE, MacAlgorithm=_ALGORITHM)
            self._root = told("GenerateMac", answer, "Mac")
        except StoreError as error:
            self._failure = error
        finally:
            self._calls += 1
