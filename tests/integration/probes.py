"""What a cloud that was not started here can do, found out by trying: nothing is taken from its name or version."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

import local_cloud
from local_cloud import LocalCloud

__all__ = ["PROBES", "lacks"]

_QUIET_SECONDS = 3
"""How long a queue is listened to for what must not come; such clouds deliver an event at once."""

_LARGEST_ITEM = 400 * 1024

_QUOTED_KEYS = ("a b", "a+b", "a/+/c", "b%2Fc", "c&d", "é")
"""Keys that a list's markers have to quote."""


@cache
def lacks(endpoint: str, what: str) -> str | None:
    """Say why the cloud at the endpoint has not got this, or return None where it has; asked once per session."""
    with local_cloud.start(endpoint) as cloud:
        return PROBES[what](cloud)


def _cloudtrail(cloud: LocalCloud) -> str | None:
    try:
        cloud.client("cloudtrail").list_trails()
    except ClientError as error:
        return f"no CloudTrail: {error.response['Error']['Message']}"
    return None


def _disabled_rules(cloud: LocalCloud) -> str | None:
    events, sqs, name = cloud.client("events"), cloud.client("sqs"), f"probe-{uuid4()}"
    with _queue(sqs, name) as (url, arn):
        pattern = json.dumps({"source": [name]})
        events.put_rule(Name=name, EventPattern=pattern, State="ENABLED")
        try:
            events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
            events.disable_rule(Name=name)
            events.put_events(Entries=[{"Source": name, "DetailType": "probe", "Detail": "{}"}])
            delivered = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=_QUIET_SECONDS).get("Messages")
        finally:
            events.remove_targets(Rule=name, Ids=["queue"])
            events.delete_rule(Name=name)
    return "an event of a disabled rule was delivered" if delivered else None


def _listing(cloud: LocalCloud) -> str | None:
    s3, bucket = cloud.client("s3"), f"probe-{uuid4()}"
    s3.create_bucket(Bucket=bucket)
    try:
        for key in _QUOTED_KEYS:
            s3.put_object(Bucket=bucket, Key=key, Body=b"")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
        listed = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        wanted = sorted(_QUOTED_KEYS, key=str.encode)
        after = [
            [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, StartAfter=key).get("Contents", [])]
            for key in wanted
        ]
    finally:
        for key in _QUOTED_KEYS:
            s3.delete_object(Bucket=bucket, Key=key)
        s3.delete_bucket(Bucket=bucket)
    if listed != wanted:
        return f"keys {wanted} were listed page by page as {listed}"
    wrong = [key for place, key in enumerate(wanted) if after[place] != wanted[place + 1 :]]
    return f"a listing that starts after {wrong[0]!r} has other keys" if wrong else None


def _table_class(cloud: LocalCloud) -> str | None:
    wanted = "STANDARD_INFREQUENT_ACCESS"
    with _table(cloud) as (dynamodb, name):
        dynamodb.update_table(TableName=name, TableClass=wanted)
        taken = dynamodb.describe_table(TableName=name)["Table"].get("TableClassSummary", {}).get("TableClass")
    return None if taken == wanted else f"a table's class was to be {wanted}, and is {taken}"


def _item_size(cloud: LocalCloud) -> str | None:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: names and values, as UTF-8
    item = {"id": {"S": "1"}, "body": {"S": "x" * (_LARGEST_ITEM - len("id1body"))}}
    with _table(cloud) as (dynamodb, name):
        try:
            dynamodb.put_item(TableName=name, Item=item)
        except ClientError as error:
            return f"an item of {_LARGEST_ITEM} bytes was refused: {error.response['Error']['Message']}"
    return None


PROBES: Mapping[str, Callable[[LocalCloud], str | None]] = {
    "cloudtrail": _cloudtrail,
    "disabled rules": _disabled_rules,
    "listing": _listing,
    "table class": _table_class,
    "item size": _item_size,
}
"""Each returns what was seen where the cloud does it wrongly or not at all."""


@contextmanager
def _table(cloud: LocalCloud) -> Iterator[tuple[Any, str]]:
    dynamodb, name = cloud.client("dynamodb"), f"probe-{uuid4()}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        dynamodb.get_waiter("table_exists").wait(TableName=name)
        yield dynamodb, name
    finally:
        dynamodb.delete_table(TableName=name)


@contextmanager
def _queue(sqs: Any, name: str) -> Iterator[tuple[str, str]]:
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    try:
        yield url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    finally:
        sqs.delete_queue(QueueUrl=url)
