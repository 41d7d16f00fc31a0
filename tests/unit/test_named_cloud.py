"""The integration tests go to the cloud that is named, and never to AWS."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def collected(*arguments: str, **variables: str) -> tuple[int, str]:
    """Pytest's exit code and all that it said, of a run that would only list tests."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "tests/integration/test_guard.py", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["--endpoint", "https://sqs.us-east-1.amazonaws.com"], {}),
        ([], {"AWS_ENDPOINT_URL": "https://sqs.us-east-1.amazonaws.com"}),
        ([], {"AWS_ENDPOINT_URL": "", "LOCALSTACK_HOST": "sqs.us-east-1.amazonaws.com", "USE_SSL": "1"}),
    ],
    ids=["option", "AWS's variable", "LocalStack's variable"],
)
def test_aws_is_refused_before_anything_runs(arguments: list[str], variables: dict[str, str]) -> None:
    code, said = collected(*arguments, **variables)
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "is AWS itself, not a local cloud" in said
    assert "Traceback" not in said


def test_a_cloud_that_does_not_answer_is_told_in_a_sentence() -> None:
    code, said = collected("--endpoint", "http://127.0.0.1:9")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "No LocalStack or MiniStack answers at http://127.0.0.1:9" in said
    assert "Traceback" not in said
