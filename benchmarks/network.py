"""What lies between a caller and its stores: requests and bytes are counted there, and wait as long as is asked.

The thread that makes a call sleeps before every send, retries included: what a round trip to a service costs a
caller, whichever server answers it here. Neither bandwidth nor jitter is imitated.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Network", "Traffic"]

_BODY_SENT = frozenset({"PutObject", "UploadPart"})
_BODY_RECEIVED = frozenset({"GetObject"})
_WITHOUT_ANSWER_BODY = frozenset({"HeadObject", "HeadBucket"})
"""Their Content-Length tells of the object, and nothing follows."""


@dataclass
class Traffic:
    """What went over the network: requests by operation, and the bytes of their bodies."""

    calls: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    received: int = 0
    object_bytes: int = 0
    """Of `sent` and `received`, what were objects' own bytes."""


class Network:
    """Counts what clients send and get, from several threads, and has each request wait.

    A request is counted each time that it is sent, so that a retry counts. Only HTTP bodies are counted as bytes,
    and of an answer what its Content-Length announces.
    """

    def __init__(self, latency_seconds: float = 0.0) -> None:
        self.latency_seconds = latency_seconds
        self._lock = threading.Lock()
        self._traffic = Traffic()

    def watch(self, client: Any) -> None:
        """Have this boto3 client's requests go over this network from now on."""
        client.meta.events.register("before-send", self._on_send)
        client.meta.events.register("response-received", self._on_response)

    def request(self, operation: str, size: int = 0) -> None:
        """Count one more request, of a body of so many bytes, and wait for its way."""
        with self._lock:
            self._traffic.calls[operation] += 1
            self._traffic.sent += size
            self._traffic.object_bytes += size if operation in _BODY_SENT else 0
        if self.latency_seconds:
            time.sleep(self.latency_seconds)

    def take(self) -> Traffic:
        """Return what was counted since the last time, and begin again."""
        with self._lock:
            traffic, self._traffic = self._traffic, Traffic()
        return traffic

    def _on_send(self, request: Any, event_name: str, **_: Any) -> None:
        self.request(event_name.rpartition(".")[2], int(request.headers.get("Content-Length") or 0))

    def _on_response(self, response_dict: Any, event_name: str, **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        if response_dict is None or operation in _WITHOUT_ANSWER_BODY:
            return
        size = int(response_dict["headers"].get("content-length") or 0)
        with self._lock:
            self._traffic.received += size
            self._traffic.object_bytes += size if operation in _BODY_RECEIVED else 0
