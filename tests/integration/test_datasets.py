"""Storage with more datasets than those there are by default, some of them made, and some that others made.

What the emulator cannot prove: that AWS's own provider reads a bucket's notifications without taking them over.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_cloud import LocalCloud
from pipeline_common.contracts import StorageOutputs
from pipeline_ops.deployment import Deployment
from pipeline_ops.errors import OperatorError
from pipeline_ops.state import folder_backend
from tests.integration.repositories import copied_repository

pytestmark = pytest.mark.engine

STORAGE = ("storage", "dev")


def key(name: str, type_: str) -> dict[str, str]:
    return {"name": name, "type": type_}


DATASETS: dict[str, Any] = {
    "objects": {"kind": "bucket"},
    "archive": {"kind": "bucket", "versioning": True, "retentionDays": 3650},
    "theirs": {"kind": "bucket", "existing": "of-others"},
    "orders": {"kind": "table", "partitionKey": key("pk", "S"), "sortKey": key("sk", "S")},
    "users": {"kind": "table", "partitionKey": key("id", "S")},
    "readings": {"kind": "table", "partitionKey": key("sensor", "B"), "sortKey": key("at", "N")},
    "their-items": {
        "kind": "table",
        "partitionKey": key("id", "N"),
        "existing": "items-of-others",
    },
}
NOTIFIED: dict[str, Any] = {"EventBridgeConfiguration": {}}
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture
def cloud(empty_cloud: LocalCloud) -> LocalCloud:
    """A cloud with a bucket and a table that somebody made by hand, which tell nobody of their changes."""
    empty_cloud.client("s3").create_bucket(Bucket="of-others")
    empty_cloud.client("s3").put_object(Bucket="of-others", Key="kept", Body=b"kept")
    empty_cloud.client("dynamodb").create_table(
        TableName="items-of-others",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return empty_cloud


@pytest.fixture
def deployment(cloud: LocalCloud, tmp_path: Path) -> Iterator[Deployment]:
    repository = copied_repository(tmp_path)
    settings = repository / "projects" / "storage" / "Pulumi.dev.yaml"
    document = yaml.safe_load(settings.read_text())
    document["config"]["storage:datasets"] = DATASETS
    settings.write_text(yaml.safe_dump(document))
    with Deployment(repository, cloud, backend=folder_backend(tmp_path / ".state")) as opened:
        yield opened


def of_others(cloud: LocalCloud) -> dict[str, Any]:
    """All that can be seen of what others made."""
    s3, dynamodb = cloud.client("s3"), cloud.client("dynamodb")
    notified = s3.get_bucket_notification_configuration(Bucket="of-others")
    table = dynamodb.describe_table(TableName="items-of-others")["Table"]
    seen = {
        "object": s3.get_object(Bucket="of-others", Key="kept")["Body"].read(),
        "versioning": s3.get_bucket_versioning(Bucket="of-others"),
        "notified": notified,
        "stream": table.get("StreamSpecification"),
        "tags": dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"]),
    }
    for told in seen.values():
        if isinstance(told, dict):
            told.pop("ResponseMetadata", None)
    return seen


def test_what_would_not_tell_its_changes_is_not_adopted_and_the_told_commands_mend_it(
    cloud: LocalCloud, deployment: Deployment
) -> None:
    with pytest.raises(
        OperatorError, match=r"storage:datasets.their-items.existing names .* turn one on by `aws dynam"
    ):
        deployment.up(*STORAGE)
    cloud.client("dynamodb").update_table(TableName="items-of-others", StreamSpecification=STREAM)
    with pytest.raises(
        OperatorError, match=r"storage:datasets.theirs.existing names .* have it do so by `aws s3api put"
    ):
        deployment.up(*STORAGE)
    cloud.client("s3").put_bucket_notification_configuration(Bucket="of-others", NotificationConfiguration=NOTIFIED)
    before = of_others(cloud)
    outputs = deployment.up(*STORAGE).outputs
    assert deployment.up(*STORAGE).unchanged
    assert deployment.refresh(*STORAGE).unchanged

    datasets = StorageOutputs.parse(outputs).datasets
    assert set(datasets) == set(DATASETS)
    assert (datasets["theirs"].name, datasets["their-items"].name) == ("of-others", "items-of-others")
    assert outputs["bucket_name"] == datasets["objects"].name
    assert outputs["table_name"] == ""
    dynamodb, s3 = cloud.client("dynamodb"), cloud.client("s3")
    for stored in datasets.values():
        if stored.dataset.is_bucket:
            assert "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=stored.name)
            continue
        table = dynamodb.describe_table(TableName=stored.name)["Table"]
        types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
        told = [(each["AttributeName"], types[each["AttributeName"]]) for each in table["KeySchema"]]
        assert told == [(each.name, each.type.value) for each in stored.dataset.key]
        assert (table["TableArn"], table["LatestStreamArn"]) == (stored.arn, stored.stream_arn)
    assert s3.get_bucket_versioning(Bucket=datasets["archive"].name)["Status"] == "Enabled"

    deployment.destroy(*STORAGE)
    assert of_others(cloud) == before
    assert [each["Name"] for each in s3.list_buckets()["Buckets"]] == ["of-others"]
    assert dynamodb.list_tables()["TableNames"] == ["items-of-others"]
