"""Clients whose every call is answered with bytes that a test chooses."""

from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

__all__ = ["Answered"]


@dataclass
class _Answer:
    content: bytes
    status_code: int
    headers: dict[str, str] = field(default_factory=dict)
    raw: Any = None


@dataclass
class Answered:
    """A service's client, and the answer that it is given."""

    service: str
    body: bytes = b""
    status: int = 200

    def __post_init__(self) -> None:
        self.client: Any = boto3.client(
            self.service,  # type: ignore[call-overload]
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(retries={"total_max_attempts": 1}),
        )
        events: Any = self.client.meta.events
        events.register(f"before-send.{self.service}", lambda **_: _Answer(self.body, self.status))
