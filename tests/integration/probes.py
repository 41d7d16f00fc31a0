"""What a cloud that was not started here can do, found out by trying: nothing is taken from its name or version."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

import local_cloud
from local_cloud import LocalCloud
from tests.polling import eventually

__all__ = ["PROBES", "lacks"]

_QUIET_SECONDS = 3
"""How long a queue is listened to for what must not come; such clouds deliver an event at once."""

_PAUSES = 5
"""How often it is tried: whether a poll is under way when a mapping is disabled is a matter of chance."""

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


def _pausing(cloud: LocalCloud) -> str | None:
    sqs, name = cloud.client("sqs"), f"probe-{uuid4()}"
    # Nobody gets a message twice within the probe: one that was taken is not there any more.
    with _queue(sqs, name, VisibilityTimeout="900") as (url, arn), _mapping(cloud, name, arn) as switch:
        for _ in range(_PAUSES):
            switch(False)
            sqs.send_message(QueueUrl=url, MessageBody="{}")
            with suppress(AssertionError):
                eventually(lambda: _visible(sqs, url) == 0, what="the message taken", within=_QUIET_SECONDS)
                return "a mapping that was told to be disabled still took a message"
            sqs.purge_queue(QueueUrl=url)
            switch(True)
    return None


PROBES: Mapping[str, Callable[[LocalCloud], str | None]] = {
    "cloudtrail": _cloudtrail,
    "disabled rules": _disabled_rules,
    "listing": _listing,
    "table class": _table_class,
    "item size": _item_size,
    "pausing": _pausing,
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


def _visible(sqs: Any, url: str) -> int:
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(told["Attributes"]["ApproximateNumberOfMessages"])


@contextmanager
def _mapping(cloud: LocalCloud, name: str, queue: str) -> Iterator[Callable[[bool], None]]:
    """A function that is given the queue's messages; the callable turns its mapping on or off, and waits for it."""
    iam, lambda_, code = cloud.client("iam"), cloud.client("lambda"), io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("code.py", "def handle(event, context): pass\n")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    archived = {"ZipFile": code.getvalue()}
    lambda_.create_function(FunctionName=name, Runtime="python3.12", Handler="code.handle", Role=role, Code=archived)
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
    mapping = lambda_.create_event_source_mapping(
        FunctionName=name, EventSourceArn=queue, BatchSize=100, MaximumBatchingWindowInSeconds=1
    )["UUID"]

    def is_now(state: str) -> bool:
        return bool(lambda_.get_event_source_mapping(UUID=mapping)["State"] == state)

    def switch(on: bool) -> None:
        lambda_.update_event_source_mapping(UUID=mapping, Enabled=on)
        eventually(lambda: is_now("Enabled" if on else "Disabled"), what="the mapping as it was told to be")

    try:
        eventually(lambda: is_now("Enabled"), what="the mapping enabled")
        yield switch
    finally:
        lambda_.delete_event_source_mapping(UUID=mapping)
        lambda_.delete_function(FunctionName=name)
        iam.delete_role(RoleName=name)


@contextmanager
def _queue(sqs: Any, name: str, **attributes: str) -> Iterator[tuple[str, str]]:
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    try:
        yield url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    finally:
        sqs.delete_queue(QueueUrl=url)
