"""Runs integration tests on a LocalStack: `python -m tests.localstack <its Python> <pytest's arguments>`.

This LocalStack needs no Docker and no licence, and so it is not all LocalStack's own: functions run as processes of
this user, and DynamoDB is moto's (tests/localstack/src). S3, SQS, SNS, EventBridge, CloudWatch, IAM, KMS, and what
Lambda does around a function (versions, aliases, mappings, retries), are LocalStack's.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_cloud import supervisor
from local_cloud.emulator import HOST, PREFERRED_PORT, free_port
from local_cloud.endpoint import wait_until_healthy

ROOT = Path(__file__).parents[2]
_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_TAIL_LINES = 30


def main(python: str, *arguments: str) -> int:
    """Start a LocalStack, run pytest against it, and return pytest's exit code."""
    told = (__doc__ or "").partition("\n\n")[2]
    sys.stdout.write(told)
    sys.stdout.flush()
    with localstack(python) as endpoint:
        tests = [sys.executable, "-m", "pytest", *arguments, "--endpoint", endpoint]
        return subprocess.run(tests, cwd=ROOT, check=False).returncode


@contextmanager
def localstack(python: str) -> Iterator[str]:
    """Start a LocalStack by the Python that has it installed, and end it with the block; its endpoint."""
    port = free_port(PREFERRED_PORT)
    endpoint = f"http://{HOST}:{port}"
    folder = Path(tempfile.mkdtemp(prefix="localstack-"))
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [sys.executable, "-I", supervisor.__file__, str(folder), python, "-m", "localstack.runtime.main"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(port, folder),
            start_new_session=True,
        ) as process,
    ):
        try:
            if not wait_until_healthy(endpoint, _START_SECONDS, lambda: process.poll() is None):
                log.seek(0)
                sys.exit(b"\n".join(log.read().splitlines()[-_TAIL_LINES:]).decode(errors="replace"))
            yield endpoint
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(_STOP_SECONDS)


def _environment(port: int, folder: Path) -> dict[str, str]:
    # Nothing of the user's reaches LocalStack, nor the functions that it runs.
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "FILESYSTEM_ROOT": str(folder / "files"),
        "LANG": "C.UTF-8",
        "GATEWAY_LISTEN": f"{HOST}:{port}",
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "PROVIDER_OVERRIDE_DYNAMODB": "moto",
        "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "moto",
        # It would ask its maker's servers for a certificate, resolve names, and tell of its use.
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
