"""Handles one event after another with the function of its environment: `python function_process.py`.

An event is a line of JSON on standard input, its answer a line on what was standard output; what the function itself
prints goes to standard error with its log. Errors are told in the form that AWS's Python runtime tells them.
https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
"""

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Context", "main"]


@dataclass(frozen=True)
class Context:
    """The context of an invocation, as https://docs.aws.amazon.com/lambda/latest/dg/python-context.html has it."""

    aws_request_id: str
    invoked_function_arn: str
    ends: float
    function_name: str
    function_version: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    client_context: None = None
    identity: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left before the function is ended."""
        return max(int((self.ends - time.monotonic()) * 1000), 0)


def main() -> None:
    """Handle events until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    handle: Callable[[Any, Context], Any] | None = None
    for line in sys.stdin:
        told = json.loads(line)
        os.environ["_X_AMZN_TRACE_ID"] = told["trace-id"]
        context = _context(told)
        try:
            handle = handle or _handler()
            answer = {"is_error": False, "payload": handle(json.loads(told["payload"]), context)}
            text = json.dumps(answer)
        except Exception as error:  # noqa: BLE001 (whatever a function raises is its answer)
            traceback.print_exc()
            failure = {
                "errorMessage": str(error),
                "errorType": type(error).__name__,
                "requestId": context.aws_request_id,
                "stackTrace": traceback.format_tb(error.__traceback__),
            }
            text = json.dumps({"is_error": True, "payload": failure})
        answers.write(text + "\n")
        answers.flush()


def _handler() -> Callable[[Any, Context], Any]:
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    handler: Callable[[Any, Context], Any] = getattr(importlib.import_module(module.replace("/", ".")), name)
    return handler


def _context(told: dict[str, str]) -> Context:
    return Context(
        aws_request_id=told["invoke-id"],
        invoked_function_arn=told["invoked-function-arn"],
        ends=time.monotonic() + float(os.environ["AWS_LAMBDA_FUNCTION_TIMEOUT"]),
        function_name=os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        function_version=os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        log_group_name=os.environ["AWS_LAMBDA_LOG_GROUP_NAME"],
        log_stream_name=os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
    )


if __name__ == "__main__":
    main()
