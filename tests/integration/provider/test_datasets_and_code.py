"""Tables of any key, buckets and tables of others that a program looks up, and code put together of several parts.

What the emulator cannot prove: that AWS's own provider tells as much of what it looks up.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from pulumi.automation import CommandError

from tests.integration.provider.conftest import StackFactory
from tests.integration.provider.stacks import ProviderStack

pytestmark = pytest.mark.engine

KEYS = {"texts": ("S", "S"), "numbers": ("N", None), "binaries": ("B", "N"), "alone": ("S", None), "bytes": ("S", "B")}
"""The types of a partition key and a sort key, by the table's name."""


@pytest.fixture
def stack(make_stack: StackFactory) -> Iterator[ProviderStack]:
    with make_stack("datasets") as made:
        yield made


def _table(name: str, keys: tuple[str, str | None], projection: str, opts: pulumi.ResourceOptions) -> None:
    partition, sort = keys
    named = {"pk": partition, **({"sk": sort} if sort else {}), "by": "S", "count": "N"}
    indexes: Any = [
        {
            "name": "by-both",
            "key_schemas": [
                aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name="by", key_type="HASH"),
                aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name="count", key_type="RANGE"),
            ],
            "projection_type": projection,
            "non_key_attributes": ["note"] if projection == "INCLUDE" else None,
        },
        {"name": "by-count", "hash_key": "count", "projection_type": "KEYS_ONLY"},
    ]
    table = aws.dynamodb.Table(
        name,
        billing_mode="PAY_PER_REQUEST",
        hash_key="pk",
        range_key="sk" if sort else None,
        attributes=[{"name": name, "type": kind} for name, kind in named.items()],
        global_secondary_indexes=indexes,
        stream_enabled=True,
        stream_view_type="KEYS_ONLY",
        opts=opts,
    )
    pulumi.export(name, table.name)


def _tables(opts: pulumi.ResourceOptions) -> None:
    for (name, keys), projection in zip(KEYS.items(), ("ALL", "KEYS_ONLY", "INCLUDE", "ALL", "ALL"), strict=True):
        _table(name, keys, projection, opts)


def test_tables_of_any_key_are_made_and_found_unchanged(stack: ProviderStack) -> None:
    names = stack.up(_tables).outputs
    assert stack.up(_tables).changed() == {}
    assert stack.refresh().changed() == {}
    for name, (partition, sort) in KEYS.items():
        made = stack.cloud.client("dynamodb").describe_table(TableName=names[name])["Table"]
        types = {each["AttributeName"]: each["AttributeType"] for each in made["AttributeDefinitions"]}
        assert [types[key["AttributeName"]] for key in made["KeySchema"]] == [partition, *([sort] if sort else [])]


def _looking(bucket: str, table: str, opts: pulumi.ResourceOptions) -> None:
    invoked = pulumi.InvokeOptions(provider=opts.provider)
    pulumi.export("bucket", aws.s3.get_bucket_output(bucket=bucket, opts=invoked).arn)
    found = aws.dynamodb.get_table_output(name=table, opts=invoked)
    pulumi.export("keys", [found.hash_key, found.range_key])
    pulumi.export("attributes", found.attributes.apply(lambda them: {each.name: each.type for each in them}))
    pulumi.export("stream", found.stream_arn)
    pulumi.export("index", found.global_secondary_indexes.apply(lambda them: [each.hash_key for each in them]))


def test_what_others_made_is_looked_up_and_left_to_them(stack: ProviderStack) -> None:
    s3, dynamodb = (stack.cloud.client(service) for service in ("s3", "dynamodb"))
    s3.create_bucket(Bucket="of-others")
    index = {"KeySchema": [{"AttributeName": "by", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    made = dynamodb.create_table(
        TableName="of-others",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": n, "AttributeType": t} for n, t in (("pk", "B"), ("sk", "N"), ("by", "S"))
        ],
        GlobalSecondaryIndexes=[{"IndexName": "by-owner", **index}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )["TableDescription"]
    try:
        told = stack.up(partial(_looking, "of-others", "of-others"))
        assert told.outputs == {
            "bucket": "arn:aws:s3:::of-others",
            "keys": ["pk", "sk"],
            "attributes": {"pk": "B", "sk": "N", "by": "S"},
            "stream": made["LatestStreamArn"],
            "index": ["by"],
        }
        stack.destroy()
        assert s3.head_bucket(Bucket="of-others")
        with pytest.raises(CommandError, match="there is no table named nowhere in"):
            stack.up(partial(_looking, "of-others", "nowhere"))
    finally:
        s3.delete_bucket(Bucket="of-others")
        dynamodb.delete_table(TableName="of-others")


def _function(code: Path, document: str, opts: pulumi.ResourceOptions) -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    role = aws.iam.Role(
        "role", assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}), opts=opts
    )
    parts: dict[str, Any] = {
        ".": pulumi.FileArchive(str(code)),
        "route.json": pulumi.StringAsset(document),
        "notice/LICENSE": pulumi.FileAsset(str(code / "handler.py")),
    }
    function = aws.lambda_.Function(
        "function",
        code=pulumi.AssetArchive(parts),
        runtime="python3.12",
        handler="handler.handle",
        role=role.arn,
        opts=opts,
    )
    pulumi.export("name", function.name)
    pulumi.export("sha", function.code_sha256)


HANDLER = """import pathlib
def handle(event, context):
    here = pathlib.Path(__file__).parent
    return [(here / "route.json").read_text(), (here / "notice" / "LICENSE").exists()]
"""


def _code(folder: Path) -> Path:
    folder.mkdir()
    (folder / "handler.py").write_text(HANDLER)
    return folder


def test_a_functions_code_is_put_together_of_parts_and_changes_with_any_of_them(
    stack: ProviderStack, tmp_path: Path
) -> None:
    one, other = _code(tmp_path / "one"), _code(tmp_path / "other")
    first = stack.up(partial(_function, one, '{"a": 1}')).outputs
    assert stack.up(partial(_function, other, '{"a": 1}')).changed() == {}
    assert stack.refresh().changed() == {}
    answer = stack.cloud.client("lambda").invoke(FunctionName=first["name"])["Payload"].read()
    assert answer == b'["{\\"a\\": 1}", true]'
    changed = stack.up(partial(_function, other, '{"a": 2}'))
    assert changed.changed() == {"function": "update"}
    assert changed.outputs["sha"] != first["sha"]
