"""Recovery points of a target: what holds its former data still, and until when."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from pipeline_ops.routes.route import SourceRoutes
from replication_core.aws.errors import StoreError
from replication_core.aws.failures import translated
from replication_core.route_spec import RoutedDataset, RouteSpec

__all__ = ["RecoveryPoint", "recovery_points"]

_STREAM = timedelta(hours=24)
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html: how long a stream keeps a change."""

_MOST_DAYS = 35
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Point-in-time-recovery.html: by default."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class RecoveryPoint:
    """Something that data of before an instant can be had from."""

    store: str
    """The bucket or the table."""

    what: str
    until: datetime | None
    """When it no longer holds that; None where somebody has to delete it, or where that could not be told."""

    def document(self) -> dict[str, str | None]:
        """Return it as a JSON document."""
        until = self.until.isoformat(timespec="seconds") if self.until else None
        return {"store": self.store, "what": self.what, "until": until}

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read such a document."""
        until = document["until"]
        return cls(store=document["store"], what=document["what"], until=until and datetime.fromisoformat(until))

    def __str__(self) -> str:
        until = f"until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else "until somebody deletes it"
        return f"{self.store}: {self.what}, {until}"


def recovery_points(replication: SourceRoutes, spec: RouteSpec, at: datetime) -> list[RecoveryPoint]:
    """Return what holds the target's data of before an instant; what can't be looked at is among them."""
    found: list[RecoveryPoint] = []
    for routed in spec.routed:
        looks = _of_bucket if routed.dataset.is_bucket else _of_table
        for look in (looks, _of_aws_backup):
            try:
                found += look(replication, spec, routed, at)
            except StoreError as error:
                found.append(RecoveryPoint(store=routed.target, what=f"could not be looked at: {error}", until=None))
    return found


def _of_table(
    replication: SourceRoutes, spec: RouteSpec, routed: RoutedDataset, at: datetime
) -> Iterator[RecoveryPoint]:
    table, client = routed.target, replication.client("dynamodb", region=spec.target_region)
    with translated("DescribeContinuousBackups"):
        told = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    restorable = told.get("PointInTimeRecoveryDescription", {})
    if restorable.get("PointInTimeRecoveryStatus") == "ENABLED":
        days = restorable.get("RecoveryPeriodInDays", _MOST_DAYS)
        yield RecoveryPoint(store=table, what="point-in-time recovery", until=at + days * _DAY)
    with translated("ListBackups"):
        pages = client.get_paginator("list_backups").paginate(TableName=table, TimeRangeUpperBound=at, BackupType="ALL")
        backups = [each for page in pages for each in page["BackupSummaries"]]
    for each in backups:
        yield RecoveryPoint(
            store=table, what=f"the backup {each['BackupName']}", until=each.get("BackupExpiryDateTime")
        )
    with translated("DescribeTable"):
        stream = client.describe_table(TableName=table)["Table"].get("StreamSpecification", {})
    if stream.get("StreamEnabled") and stream.get("StreamViewType") != "KEYS_ONLY":
        yield RecoveryPoint(store=table, what="the table's stream", until=at + _STREAM)


def _of_bucket(
    replication: SourceRoutes, spec: RouteSpec, routed: RoutedDataset, _at: datetime
) -> Iterator[RecoveryPoint]:
    client = replication.client("s3", region=spec.target_region)
    try:
        with translated("GetBucketReplication"):
            rules = client.get_bucket_replication(Bucket=routed.target)["ReplicationConfiguration"]["Rules"]
    except StoreError as error:
        if error.kind != "ReplicationConfigurationNotFoundError":
            raise
        return
    for rule in rules:
        copied_to = rule["Destination"]["Bucket"].rpartition(":")[2]
        # A version that is deleted by its name is not deleted in the copy.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-what-is-isnot-replicated.html
        yield RecoveryPoint(store=routed.target, what=f"what S3 copied to the bucket {copied_to}", until=None)


def _of_aws_backup(
    replication: SourceRoutes, spec: RouteSpec, routed: RoutedDataset, at: datetime
) -> Iterator[RecoveryPoint]:
    """Look at the recovery points of AWS Backup, in the target's region and account."""
    client = replication.client("backup", region=spec.target_region)
    arn = _arn(spec, routed)
    with translated("ListRecoveryPointsByResource"):
        pages = client.get_paginator("list_recovery_points_by_resource").paginate(ResourceArn=arn)
        points = [each for page in pages for each in page.get("RecoveryPoints", ()) if each["CreationDate"] < at]
    for each in points:
        with translated("DescribeRecoveryPoint"):
            told = client.describe_recovery_point(
                BackupVaultName=each["BackupVaultName"], RecoveryPointArn=each["RecoveryPointArn"]
            )
        until = told.get("CalculatedLifecycle", {}).get("DeleteAt")
        of = f"of {each['CreationDate']:%Y-%m-%d} in {each['BackupVaultName']}"
        yield RecoveryPoint(store=routed.target, what=f"AWS Backup's recovery point {of}", until=until)


def _arn(spec: RouteSpec, routed: RoutedDataset) -> str:
    # The topics' ARNs tell the partition and the account, which the target shares.
    _, partition, _, _, account, _ = spec.failure_topic_arn.split(":", 5)
    if routed.dataset.is_bucket:
        return f"arn:{partition}:s3:::{routed.target}"
    return f"arn:{partition}:dynamodb:{spec.target_region}:{account}:table/{routed.target}"
