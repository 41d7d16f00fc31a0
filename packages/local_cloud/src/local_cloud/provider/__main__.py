"""Serve the provider: `python -m local_cloud.provider [engine's address]`.

Prints the port it listens on, as the engine expects of a plugin, and nothing else.
"""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc

from local_cloud.provider import protocol
from local_cloud.provider.servicer import ProviderServicer

__all__ = ["main"]

# The engine's own limit: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/util/rpcutil/grpc.go
_LARGEST_MESSAGE = 400 * 1024 * 1024
_THREADS = 16
_GRACE_SECONDS = 60.0
_WATCH_SECONDS = 1.0


def main(arguments: list[str]) -> None:
    """Serve until the engine ends the process, or is itself no more."""
    engine = os.getppid()
    options = [
        ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
        ("grpc.max_send_message_length", _LARGEST_MESSAGE),
    ]
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=options)
    engine_address = next((argument for argument in arguments if not argument.startswith("-")), None)
    protocol.add_ResourceProviderServicer_to_server(ProviderServicer(engine_address), server)
    port = server.add_insecure_port("127.0.0.1:0")

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # Calls that the engine already made are finished: an interrupted one would leave a resource it doesn't know.
        server.stop(_GRACE_SECONDS)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while server.wait_for_termination(_WATCH_SECONDS):
        # An engine that was killed ends nobody: the process gets another parent, and would stay for ever.
        if os.getppid() != engine:
            server.stop(None)


if __name__ == "__main__":
    main(sys.argv[1:])
