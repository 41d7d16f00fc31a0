"""A network's latency, added before each request by a hook of botocore.

The thread that makes a call sleeps before every send, retries included: what a round trip to a service costs a
caller, whichever server answers it here. Neither bandwidth nor jitter is imitated.
"""

import time
from typing import Any

__all__ = ["add_latency"]


def add_latency(client: Any, seconds: float) -> None:
    """Make each request of this client wait so long before it is sent."""
    if seconds > 0:
        client.meta.events.register("before-send", lambda **_: time.sleep(seconds))
