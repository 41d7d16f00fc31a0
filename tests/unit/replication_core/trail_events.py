"""CloudTrail's records as EventBridge delivers them."""

import json
from pathlib import Path
from typing import Any

__all__ = ["recorded", "trail_event"]

_FOLDER = Path(__file__).parent / "recorded"


def recorded(name: str) -> dict[str, Any]:
    """Return a record that was published; recorded/README.md says where."""
    record: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return record


def trail_event(detail: Any, **changes: Any) -> dict[str, Any]:
    """Return the event of a record, as in AWS's example of one.

    https://docs.aws.amazon.com/step-functions/latest/dg/tutorial-cloudwatch-events-s3.html
    """
    source = str(detail.get("eventSource", "")).removesuffix(".amazonaws.com") if isinstance(detail, dict) else "s3"
    event = {
        "version": "0",
        "id": "8d6f9246-b781-44f8-a026-f1c1ab2c61f0",
        "detail-type": "AWS API Call via CloudTrail",
        "source": f"aws.{source}",
        "account": "111122223333",
        "time": "2018-09-12T00:25:10Z",
        "region": "us-east-2",
        "resources": [],
        "detail": detail,
    }
    return event | changes
