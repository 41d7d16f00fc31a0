"""Datasets besides those there are by default: a bucket, and tables with keys of every type and shape."""

import base64
from typing import Any

from replication_core.datasets import ITEMS, OBJECTS, Dataset, KeyAttribute, KeyType, Kind, RecordKey

__all__ = ["BLOBS", "CUSTOMERS", "FILES", "ORDERS", "OTHERS", "TABLES", "numbered", "table_definition"]

FILES = Dataset("files", Kind.BUCKET, OBJECTS.key)
ORDERS = Dataset("orders", Kind.TABLE, (KeyAttribute("pk", KeyType.STRING), KeyAttribute("sk", KeyType.STRING)))
CUSTOMERS = Dataset("customers", Kind.TABLE, (KeyAttribute("email", KeyType.STRING),))
BLOBS = Dataset("blobs", Kind.TABLE, (KeyAttribute("digest", KeyType.BINARY), KeyAttribute("at", KeyType.NUMBER)))

OTHERS = (FILES, ORDERS, CUSTOMERS, BLOBS)
TABLES = (ITEMS, ORDERS, CUSTOMERS, BLOBS)


def table_definition(dataset: Dataset) -> dict[str, Any]:
    """Return what DynamoDB is asked for to create a dataset's table, but for its name."""
    return {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [
            {"AttributeName": name, "KeyType": kind}
            for name, kind in zip(dataset.attribute_names, ("HASH", "RANGE"), strict=False)
        ],
        "AttributeDefinitions": [{"AttributeName": each.name, "AttributeType": each.type} for each in dataset.key],
    }


def numbered(dataset: Dataset, number: int) -> RecordKey:
    """Return one of a dataset's keys: that of this number."""
    bytes_ = base64.b64encode(number.to_bytes(2)).decode()
    return dataset.record(*(bytes_ if each.type is KeyType.BINARY else str(number) for each in dataset.key))
