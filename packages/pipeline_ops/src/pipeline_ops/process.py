"""`process`: an object's notice is sent to the processor's queue, and its run followed to the summary."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops.checkout import open_projects
from pipeline_ops.clients import ClientMaker
from pipeline_ops.deployed_system import deployed_system
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.routes.route import explained
from pipeline_ops.terminal import document, tell
from pipeline_ops.where import Where
from processor_lambda.files import FileBucket, InputFile
from processor_lambda.notices import ObjectNotice
from processor_lambda.results import Results
from replication_core.objects.heads import keep_empty_expires
from replication_core.objects.pinned import Gone

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["FinishedRun", "process", "process_object"]

_POLL_SECONDS = 0.5
_SAY_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class FinishedRun:
    """A run that came to its end, by its summary as the processor wrote it."""

    summary: Mapping[str, Any]

    @property
    def succeeded(self) -> bool:
        """Whether the file could be read to its end."""
        return bool(self.summary["status"] == "succeeded")

    def sentence(self) -> str:
        """Return what came of it, in one line."""
        counts = ", ".join(f"{self.summary[name]:,} {name}" for name in ("read", "valid", "rejected", "written"))
        took = f"{self.summary['duration_ms'] / 1000:.1f} s"
        rejected = f"; rejected records: {self.summary['rejected_key']}" if self.summary["rejected_key"] else ""
        failed = "" if self.succeeded else f"failed: {self.summary['reason']}; "
        return f"{self.summary['key']}: {failed}{counts} ({took}){rejected}"


def process_object(
    outputs: ProcessingOutputs,
    client: ClientMaker,
    key: str,
    *,
    on_progress: Callable[[str], None] = lambda _: None,
    wait_seconds: float,
) -> FinishedRun:
    """Have the environment's processor process the object's current version, and return its run.

    A version that was processed before is processed again, to the same end. Raises OperatorError for a key that the
    processor would pass over, and when the run has not ended within `wait_seconds`.
    """
    sqs: SQSClient = client("sqs", region=outputs.region)
    s3 = client("s3", region=outputs.region)
    keep_empty_expires(s3)
    bucket = FileBucket(s3=s3, name=outputs.bucket_name)
    results = Results(bucket=bucket, environment=outputs.environment)
    with explained(f"{key} of {outputs.environment} can't be processed"):
        file = _find(bucket, outputs, key)
        run = file.run
        before = results.find(run)
        notice = ObjectNotice(key=key, version_id=file.version_id, reason="manual")
        sqs.send_message(QueueUrl=outputs.queue_url, MessageBody=notice.body())
        on_progress(f"Asked {outputs.lambda_function_name} to process {key}: run {run}")
        began = said = time.monotonic()
        while True:
            summary = results.find(run)
            if summary is not None and summary != before:
                return FinishedRun(summary)
            now = time.monotonic()
            if now - began >= wait_seconds:
                raise OperatorError(
                    f"Run {run} of {key} has not ended within {wait_seconds:.0f} s: it goes on by itself, or is a dead "
                    f"letter of {outputs.environment} by now; the log group {outputs.log_group_name} says why."
                )
            if now - said >= _SAY_EVERY_SECONDS:
                on_progress(_state(sqs, outputs, run, now - began))
                said = now
            time.sleep(min(_POLL_SECONDS, wait_seconds))


def _find(bucket: FileBucket, outputs: ProcessingOutputs, key: str) -> InputFile:
    if not key.startswith(outputs.input_prefix) or key.endswith("/"):
        raise OperatorError(
            f"{outputs.environment} processes the files under {outputs.input_prefix}, and {key} is none: "
            "copy it there, or set processing:inputPrefix.",
            MISUSED,
        )
    try:
        file = bucket.head(key)
        passed_over = not outputs.process_replicas and bucket.is_replica(file)
    except Gone:
        raise OperatorError(
            f"There is no {key} in {outputs.bucket_name}, the bucket of {outputs.environment}."
        ) from None
    if passed_over:
        raise OperatorError(
            f"{key} is a replica, and {outputs.environment} does not process those, since their items are replicated "
            f"too: processing:processReplicas is false in projects/processing/Pulumi.{outputs.environment}.yaml."
        )
    return file


def _state(sqs: "SQSClient", outputs: ProcessingOutputs, run: str, seconds: float) -> str:
    found = sqs.get_queue_attributes(
        QueueUrl=outputs.queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    waiting, working = found["ApproximateNumberOfMessages"], found["ApproximateNumberOfMessagesNotVisible"]
    return f"Run {run}: {seconds:.0f} s; {waiting} waiting, {working} being worked on"


def process(environment: str, key: str, where: Where, as_json: bool, wait: float) -> None:
    """Have the environment's processor process the object, and say what came of it; exit with 1 where it failed."""
    projects = open_projects(where)
    stack = projects.stack(ProcessingOutputs.PROJECT, environment)
    system = deployed_system(projects)
    system.check_account(stack)
    outputs = system.outputs.contract(ProcessingOutputs, stack.environment)
    run = process_object(outputs, system.client, key, on_progress=partial(tell, err=True), wait_seconds=wait)
    if as_json:
        document(dict(run.summary))
    else:
        tell(run.sentence())
    if not run.succeeded:
        sys.exit(FAILED)
