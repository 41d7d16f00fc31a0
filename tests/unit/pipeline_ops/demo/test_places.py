"""Every place of an environment is read whole: what was planted anywhere in it is found there."""

import gzip
import itertools
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from pipeline_ops.demo import places
from pipeline_ops.demo.hunt import Hunt
from pipeline_ops.demo.places import Place
from tests.unit.pipeline_ops.demo.conftest import REGION, moto_client

BINARY = bytes(range(200, 216))
HUNT = Hunt({f"planted {number}": f"planted-{number}." for number in range(10)} | {"planted binary": BINARY})


@pytest.fixture(autouse=True)
def cloud() -> Iterator[None]:
    with mock_aws():
        yield


def found(there: Iterable[Place]) -> set[str]:
    return {trace.planted for place in there for trace in HUNT.search(place.name, place.pieces)}


def planted(*numbers: int) -> set[str]:
    return {f"planted {number}" for number in numbers}


def test_a_buckets_versions_are_read_with_their_keys_headers_metadata_and_tags() -> None:
    s3 = moto_client("s3")
    s3.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="data", Key="k", Body=gzip.compress(b"planted-0."))
    headers = {"ContentDisposition": "planted-1.", "Metadata": {"planted-2.": "planted-3."}}
    s3.put_object(Bucket="data", Key="k", Tagging="planted-4.=planted-5.", **headers)
    s3.put_object(Bucket="data", Key="planted-6.")
    s3.delete_object(Bucket="data", Key="k")
    gone = s3.put_object(Bucket="data", Key="planted-7.")["VersionId"]
    s3.delete_object(Bucket="data", Key="planted-7.")
    s3.delete_object(Bucket="data", Key="planted-7.", VersionId=gone)  # its delete marker stays
    s3.create_multipart_upload(Bucket="data", Key="planted-8.")
    assert found(places.bucket(s3, "data")) == planted(*range(9))


def test_a_tables_items_are_read_with_their_names_and_what_is_packed_in_a_binary() -> None:
    dynamodb = moto_client("dynamodb")
    key = [{"AttributeName": "id", "KeyType": "HASH"}]
    types = [{"AttributeName": "id", "AttributeType": "S"}]
    dynamodb.create_table(TableName="t", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=types, KeySchema=key)
    nested = {"L": [{"M": {"planted-1.": {"SS": ["planted-2."]}}}, {"B": BINARY}]}
    packed = {"BS": [gzip.compress(b"planted-3.")]}
    dynamodb.put_item(TableName="t", Item={"id": {"S": "planted-0."}, "nested": nested, "packed": packed})
    assert found(places.table(dynamodb, "t")) == planted(0, 1, 2, 3) | {"planted binary"}


def test_a_queue_is_looked_through_without_losing_a_message() -> None:
    sqs = moto_client("sqs")
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    for number in range(1, 4):
        told = {"told": {"DataType": "String", "StringValue": "planted-0."}}
        sqs.send_message(QueueUrl=url, MessageBody=f"planted-{number}.", MessageAttributes=told)
    for _ in range(2):
        assert found(places.queue(sqs, url)) == planted(0, 1, 2, 3)


def test_logs_are_read_to_their_end() -> None:
    service = moto_client("logs")
    for group, stream in itertools.product(("g1", "g2"), ("s1", "s2")):
        if stream == "s1":
            service.create_log_group(logGroupName=group)
        service.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": "nothing"}, {"timestamp": now + 1, "message": "planted-0."}]
    service.put_log_events(logGroupName="g2", logStreamName="s2", logEvents=events)
    assert found(places.logs(service)) == planted(0)


def test_metrics_are_read_with_their_dimensions() -> None:
    data = {"MetricName": "m", "Dimensions": [{"Name": "of", "Value": "planted-0."}], "Value": 1.0}
    cloudwatch = moto_client("cloudwatch")
    cloudwatch.put_metric_data(Namespace="n", MetricData=[data])
    assert found(places.metrics(cloudwatch)) == planted(0)


def test_files_are_read_with_their_names(tmp_path: Path) -> None:
    (tmp_path / "planted-0.").mkdir()
    (tmp_path / "planted-0." / "state.json").write_text("planted-1.")
    assert found(places.files(tmp_path)) == planted(0, 1)
