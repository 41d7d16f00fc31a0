"""Calls and bytes, counted where botocore hands a request to the network."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CallCounter", "Traffic"]

_BODY_SENT = frozenset({"PutObject", "UploadPart"})
_BODY_RECEIVED = frozenset({"GetObject"})
_WITHOUT_ANSWER_BODY = frozenset({"HeadObject", "HeadBucket"})
"""Their Content-Length tells of the object, and nothing follows."""


@dataclass(frozen=True)
class Traffic:
    """What went over the network: requests by operation, and the bytes of their bodies."""

    calls: Mapping[str, int] = field(default_factory=dict)
    sent: int = 0
    received: int = 0
    object_bytes: int = 0
    """Of `sent` and `received`, what were objects' own bytes."""

    @property
    def total(self) -> int:
        """All requests, retries included."""
        return sum(self.calls.values())


class CallCounter:
    """Counts what the clients that it watches send and get; may be used from several threads.

    A request is counted each time that it is sent, so that a retry counts. Only HTTP bodies are counted as bytes,
    and of an answer what its Content-Length announces.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._sent = self._received = self._object_bytes = 0

    def watch(self, client: Any) -> None:
        """Count this client's requests from now on."""
        client.meta.events.register("before-send", self._on_send)
        client.meta.events.register("response-received", self._on_response)

    def take(self) -> Traffic:
        """Return what was counted since the last time, and begin again."""
        with self._lock:
            traffic = Traffic(dict(self._calls), self._sent, self._received, self._object_bytes)
            self._calls.clear()
            self._sent = self._received = self._object_bytes = 0
        return traffic

    def _on_send(self, request: Any, event_name: str, **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        size = int(request.headers.get("Content-Length") or 0)
        with self._lock:
            self._calls[operation] += 1
            self._sent += size
            self._object_bytes += size if operation in _BODY_SENT else 0

    def _on_response(self, response_dict: Any, event_name: str, **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        if response_dict is None or operation in _WITHOUT_ANSWER_BODY:
            return
        size = int(response_dict["headers"].get("content-length") or 0)
        with self._lock:
            self._received += size
            self._object_bytes += size if operation in _BODY_RECEIVED else 0
