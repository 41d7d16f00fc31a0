"""Processing by hand: what is refused, what is followed, and what is said, with the real processor over moto."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline_common.contracts import ProcessingOutputs
from pipeline_ops import process as module
from pipeline_ops.errors import FAILED, MISUSED, OperatorError
from pipeline_ops.process import process_object
from processor_lambda.clients import ProcessorClients
from processor_lambda.notices import parse
from processor_lambda.processor import build_processor
from processor_lambda.settings import ProcessorSettings

REGION = "us-east-1"
NAMES: dict[str, Any] = {field.name: f"the {field.name}" for field in fields(ProcessingOutputs)}
OUTPUTS = replace(
    ProcessingOutputs(**NAMES),
    environment="dev",
    region=REGION,
    bucket_name="data",
    input_prefix="incoming/",
    process_replicas=False,
)


class Queue:
    """A queue whose messages are worked off at once, by the processor that is deployed."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self.working = True

    def send_message(self, **message: Any) -> None:
        if self.working:
            self._cloud.processor.process(parse(message["MessageBody"]))

    def get_queue_attributes(self, **_: Any) -> Any:
        return {"Attributes": {"ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesNotVisible": "0"}}


class Cloud:
    def __init__(self) -> None:
        keys = {"region_name": REGION, "aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self.s3: Any = boto3.client("s3", **keys)  # type: ignore[call-overload]
        self.dynamodb: Any = boto3.client("dynamodb", **keys)  # type: ignore[call-overload]
        self.queue = Queue(self)
        clients = ProcessorClients(s3=self.s3, dynamodb=self.dynamodb, sqs=self.queue)  # type: ignore[arg-type]
        settings = ProcessorSettings(environment="dev", bucket="data", table="data", queue_url="q", dlq_url="d")
        self.processor = build_processor(settings, clients, threads=1)

    def client(self, service: str, /, *, region: str, config: object = None) -> Any:
        assert region == REGION
        return self.queue if service == "sqs" else self.s3


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with mock_aws():
        cloud = Cloud()
        cloud.s3.create_bucket(Bucket="data")
        cloud.dynamodb.create_table(
            TableName="data",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "timestamp", "AttributeType": "N"},
            ],
            KeySchema=[
                {"AttributeName": "id", "KeyType": "HASH"},
                {"AttributeName": "timestamp", "KeyType": "RANGE"},
            ],
        )
        yield cloud


def put(cloud: Cloud, key: str, body: bytes = b"id,timestamp\na,1\nb,\n", **more: Any) -> None:
    cloud.s3.put_object(Bucket="data", Key=key, Body=body, **more)


def test_the_counts_of_the_run_are_returned_and_said(cloud: Cloud) -> None:
    put(cloud, "incoming/a.csv")
    run = process_object(OUTPUTS, cloud.client, "incoming/a.csv", wait_seconds=60)
    assert run.succeeded
    assert run.sentence().startswith("incoming/a.csv: 2 read, 1 valid, 1 rejected, 1 written (")
    assert run.sentence().endswith("rejected records: rejected/incoming/a.csv.jsonl")


def test_a_run_that_failed_says_why(cloud: Cloud) -> None:
    put(cloud, "incoming/a.csv.gz", b"\x1f\x8b and no more")
    run = process_object(OUTPUTS, cloud.client, "incoming/a.csv.gz", wait_seconds=60)
    assert not run.succeeded
    assert "failed: the gzip stream is damaged" in run.sentence()


def test_a_version_that_was_processed_before_is_processed_again(cloud: Cloud) -> None:
    put(cloud, "incoming/a.csv")
    first = process_object(OUTPUTS, cloud.client, "incoming/a.csv", wait_seconds=60)
    again = process_object(OUTPUTS, cloud.client, "incoming/a.csv", wait_seconds=60)
    assert again.summary["run"] == first.summary["run"]
    assert again.summary["finished_at"] > first.summary["finished_at"]


@pytest.mark.parametrize(
    ("key", "code", "said"),
    [
        ("elsewhere/a.csv", MISUSED, "dev processes the files under incoming/, and elsewhere/a.csv is none"),
        ("incoming/folder/", MISUSED, "and incoming/folder/ is none"),
        ("incoming/absent.csv", FAILED, "There is no incoming/absent.csv in data, the bucket of dev."),
        ("incoming/replica.csv", FAILED, "incoming/replica.csv is a replica"),
    ],
)
def test_what_the_processor_would_pass_over_is_refused_and_nothing_is_sent(
    cloud: Cloud, key: str, code: int, said: str
) -> None:
    put(cloud, "incoming/replica.csv", Metadata={"replicated-from": "prod"})
    put(cloud, "elsewhere/a.csv")
    progress: list[str] = []
    with pytest.raises(OperatorError, match=said) as refused:
        process_object(OUTPUTS, cloud.client, key, on_progress=progress.append, wait_seconds=60)
    assert refused.value.exit_code == code
    assert progress == []


def test_a_run_that_does_not_end_is_said_to_go_on_and_where_to_look(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SAY_EVERY_SECONDS", 0.0)
    put(cloud, "incoming/a.csv")
    cloud.queue.working = False
    progress: list[str] = []
    with pytest.raises(OperatorError, match=r"has not ended within 0 s.*the log_group_name says why"):
        process_object(OUTPUTS, cloud.client, "incoming/a.csv", on_progress=progress.append, wait_seconds=0.05)
    assert "1 waiting, 0 being worked on" in progress[-1]


def test_what_aws_refuses_is_a_sentence(cloud: Cloud) -> None:
    with pytest.raises(OperatorError, match=r"incoming/a\.csv of dev can't be processed: "):
        process_object(replace(OUTPUTS, bucket_name="no-such-bucket"), cloud.client, "incoming/a.csv", wait_seconds=60)
