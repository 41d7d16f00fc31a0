"""The process that handles a function's events where LocalStack runs without Docker, as a process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[1] / "localstack/src/localstack_without_docker/function_process.py"

CODE = """
import os
count = 0
def handle(event, context):
    global count
    count += 1
    print("printed", event)
    os.write(1, b"written past Python\\n")
    if event == "fail":
        raise ValueError("no such thing")
    if event == "set":
        return {1, 2}
    assert 0 < context.get_remaining_time_in_millis() <= 5000
    return [event, count, context.aws_request_id, context.invoked_function_arn, os.environ["_X_AMZN_TRACE_ID"]]
"""


def handled(folder: Path, *events: Any) -> tuple[list[dict[str, Any]], str]:
    """The answers to the events, one after another by one process, and what the function printed."""
    (folder / "code.py").write_text(CODE)
    told = [
        {"invoke-id": f"id-{number}", "invoked-function-arn": "arn", "trace-id": "Root=1", "payload": json.dumps(event)}
        for number, event in enumerate(events)
    ]
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        input="".join(json.dumps(each) + "\n" for each in told),
        env={
            "LAMBDA_TASK_ROOT": str(folder),
            "_HANDLER": "code.handle",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": "5",
            "AWS_LAMBDA_FUNCTION_NAME": "function",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "group",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_events_are_handled_one_after_another_by_one_process(tmp_path: Path) -> None:
    answers, _ = handled(tmp_path, {"a": "é"}, 2)
    assert answers == [
        {"is_error": False, "payload": [{"a": "é"}, 1, "id-0", "arn", "Root=1"]},
        {"is_error": False, "payload": [2, 2, "id-1", "arn", "Root=1"]},
    ]


def test_what_a_function_prints_is_its_log_and_never_an_answer(tmp_path: Path) -> None:
    answers, log = handled(tmp_path, 1)
    assert len(answers) == 1
    assert "printed 1" in log
    assert "written past Python" in log


def test_what_a_function_raises_is_its_answer_and_the_next_event_is_handled(tmp_path: Path) -> None:
    failed, unserializable, good = handled(tmp_path, "fail", "set", "good")[0]
    assert (failed["is_error"], failed["payload"]["errorType"]) == (True, "ValueError")
    assert failed["payload"]["errorMessage"] == "no such thing"
    assert (unserializable["is_error"], unserializable["payload"]["errorType"]) == (True, "TypeError")
    assert good["payload"][:2] == ["good", 3]
