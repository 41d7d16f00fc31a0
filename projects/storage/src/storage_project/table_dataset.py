"""A dataset's table: one that is made, or one that is there."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from pipeline_common.contracts import StoredDataset
from pipeline_common.infra.exports import eventually
from replication_core.datasets import Dataset, KeyAttribute
from storage_project.adoption import Adoption, looked_up
from storage_project.config import DatasetConfig, StorageConfig

__all__ = ["adopted_table", "made_table"]


def made_table(
    dataset: Dataset, config: DatasetConfig, settings: StorageConfig, *, parent: pulumi.Resource
) -> StoredDataset:
    """Declare the dataset's table, named after the dataset."""
    partition_key, sort_key, *_ = (*dataset.attribute_names, None)
    used = (*dataset.key, *(attribute for index in config.indexes.values() for attribute in index.key))
    table = aws.dynamodb.Table(
        dataset.name,
        billing_mode="PAY_PER_REQUEST",
        hash_key=partition_key,
        range_key=sort_key,
        attributes=[
            aws.dynamodb.TableAttributeArgs(name=name, type=type_)
            for name, type_ in {attribute.name: attribute.type.value for attribute in used}.items()
        ],
        global_secondary_indexes=[
            aws.dynamodb.TableGlobalSecondaryIndexArgs(
                name=name, key_schemas=_key_schemas(index.key), projection_type="ALL"
            )
            for name, index in config.indexes.items()
        ],
        stream_enabled=True,
        stream_view_type="KEYS_ONLY",
        ttl=_time_to_live(config.time_to_live),
        point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=settings.point_in_time_recovery),
        deletion_protection_enabled=settings.deletion_protection,
        opts=pulumi.ResourceOptions(parent=parent, protect=settings.deletion_protection),
    )
    return StoredDataset(
        dataset=dataset,
        name=eventually(table.name),
        arn=eventually(table.arn),
        stream_arn=eventually(table.stream_arn),
    )


def _time_to_live(attribute: str | None) -> aws.dynamodb.TableTtlArgs | None:
    return aws.dynamodb.TableTtlArgs(enabled=True, attribute_name=attribute) if attribute else None


def _key_schemas(key: Sequence[KeyAttribute]) -> list[aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs]:
    return [
        aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=attribute.name, key_type=role)
        for attribute, role in zip(key, ("HASH", "RANGE"), strict=False)
    ]


def adopted_table(dataset: Dataset, name: str, *, parent: pulumi.Resource) -> StoredDataset:
    """Look up a table that is there, and leave all of it as it is.

    Raises StackConfigError unless it has the declared key, and a stream: each kind of stream has at least the keys.
    """
    adoption = Adoption(dataset, name)
    with looked_up(adoption):
        found = aws.dynamodb.get_table(name=name, opts=pulumi.InvokeOptions(parent=parent))
    types = {attribute.name: attribute.type for attribute in found.attributes}
    key = {
        role: (attribute, types.get(attribute))
        for role, attribute in (("partitionKey", found.hash_key), ("sortKey", found.range_key))
        if attribute
    }
    if tuple(key.values()) != tuple((attribute.name, attribute.type.value) for attribute in dataset.key):
        written = ", ".join(f"{role}: {{name: {each}, type: {type_}}}" for role, (each, type_) in key.items())
        adoption.refuse(f"has another key than is declared: write `{written}`, since a table's key can't be changed")
    if not found.stream_enabled:
        adoption.refuse(
            f"has no stream: turn one on by `aws dynamodb update-table --region {found.region} --table-name {name} "
            "--stream-specification StreamEnabled=true,StreamViewType=KEYS_ONLY`"
        )
    return StoredDataset(dataset=dataset, name=name, arn=found.arn, stream_arn=found.stream_arn)
