"""DynamoDB tables: on demand, with indexes, a stream, recovery, protection, encryption and time to live."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.naming import Naming
from local_cloud.provider.resource import TAGS, Resource, ResourceUpdate, Tagging, found, tag_list, tag_map, wait_until
from local_cloud.provider.schema import Block, Flag, ListOf, Properties, Property, Refusal, Text, same
from local_cloud.provider.wire import has_unknown

__all__ = ["Table"]

# 3 to 255 characters for tables and indexes:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_NAME = rules.matches(r"[a-zA-Z0-9_.-]+", 3, 255, "letters, digits, _ - and . are allowed")
_KEY = Property(kind=Text(), required=True, rules=(rules.matches(r"(?s).+", 1, 255, "a key has a name"),))

_KEY_SCHEMA = Block(
    {"attributeName": _KEY, "keyType": Property(kind=Text(("HASH", "RANGE")), required=True)},
)


class _Index(Block):
    """A global secondary index, whose keys are given as `keySchemas` or, the older form, `hashKey` and `rangeKey`."""

    def same(self, one: Any, other: Any) -> bool:
        """Compare the keys whichever way they are given."""
        rest = ("name", "projectionType", "nonKeyAttributes")
        others_alike = all(same(self.properties[name], one.get(name), other.get(name)) for name in rest)
        return others_alike and _key_schema(one) == _key_schema(other)


_INDEX = _Index(
    {
        "name": Property(kind=Text(), required=True, rules=(_NAME,)),
        "hashKey": Property(kind=Text(), rules=_KEY.rules),
        "rangeKey": Property(kind=Text(), rules=_KEY.rules),
        "keySchemas": Property(kind=ListOf(_KEY_SCHEMA, ordered=True)),
        "projectionType": Property(kind=Text(("ALL", "KEYS_ONLY", "INCLUDE")), required=True),
        # 20 attributes: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Projection.html
        "nonKeyAttributes": Property(kind=ListOf(Text(), most=20)),
    }
)


class Table(Resource):
    """A table, billed by request: provisioned capacity is not implemented."""

    type_name = "aws:dynamodb/table:Table"
    service = "dynamodb"
    properties: ClassVar = {
        "name": Property(kind=Text(), replaces=True, naming=Naming(maximum=255), rules=(_NAME,)),
        "attributes": Property(
            kind=ListOf(
                Block({"name": _KEY, "type": Property(kind=Text(("S", "N", "B")), required=True)}),
            ),
            required=True,
        ),
        "billingMode": Property(kind=Text(("PAY_PER_REQUEST",)), required=True),
        "hashKey": Property(kind=Text(), required=True, replaces=True, rules=_KEY.rules),
        "rangeKey": Property(kind=Text(), replaces=True, rules=_KEY.rules),
        # 20 by default: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
        "globalSecondaryIndexes": Property(kind=ListOf(_INDEX, most=20)),
        "streamEnabled": Property(kind=Flag(), default=False),
        "streamViewType": Property(kind=Text(("KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"))),
        "pointInTimeRecovery": Property(
            kind=Block({"enabled": Property(kind=Flag(), required=True)}), default={"enabled": False}
        ),
        "deletionProtectionEnabled": Property(kind=Flag(), default=False),
        "serverSideEncryption": Property(
            kind=Block({"enabled": Property(kind=Flag(), required=True), "kmsKeyArn": Property(kind=Text())})
        ),
        "ttl": Property(
            kind=Block({"enabled": Property(kind=Flag(), default=False), "attributeName": Property(kind=Text())})
        ),
        "tableClass": Property(kind=Text(("STANDARD", "STANDARD_INFREQUENT_ACCESS")), default="STANDARD"),
        "tags": TAGS,
    }
    outputs = ("arn", "streamArn", "streamLabel")
    gone = ("ResourceNotFoundException",)
    tagging = Tagging(owner="ResourceArn", by_arn=True)
    renewed: ClassVar = {
        "streamArn": frozenset({"streamEnabled", "streamViewType"}),
        "streamLabel": frozenset({"streamEnabled", "streamViewType"}),
    }

    def check(self, inputs: Mapping[str, Any]) -> Iterator[Refusal]:
        """Refuse attributes that are no keys, keys that are no attributes, and half a stream."""
        if inputs.get("streamEnabled") is True and "streamViewType" not in inputs:
            yield Refusal("streamViewType", "a stream needs a view type")
        if inputs.get("streamEnabled") is False and "streamViewType" in inputs:
            yield Refusal("streamViewType", "there is no stream to have a view type")
        ttl = inputs.get("ttl")
        if isinstance(ttl, Mapping) and ttl.get("enabled") is True and "attributeName" not in ttl:
            yield Refusal("ttl.attributeName", "a time to live is read from an attribute")
        keyed = {name: inputs.get(name) for name in ("attributes", "hashKey", "rangeKey", "globalSecondaryIndexes")}
        if has_unknown(keyed):
            return
        # AttributeDefinitions is exactly the keys:
        # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateTable.html
        for index in inputs.get("globalSecondaryIndexes") or ():
            if not any(key["KeyType"] == "HASH" for key in _key_schema(index)):
                yield Refusal("globalSecondaryIndexes", f"the index {index['name']!r} has no hash key")
        defined = {attribute["name"] for attribute in inputs["attributes"]}
        used = _keys(inputs)
        for name in sorted(defined - used):
            yield Refusal("attributes", f"{name!r} is the key of neither the table nor an index")
        for name in sorted(used - defined):
            yield Refusal("attributes", f"the key {name!r} has no type: add it to the attributes")

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the table and wait until it is active."""
        wanted: dict[str, Any] = {
            "TableName": inputs["name"],
            "AttributeDefinitions": _attributes(inputs),
            "KeySchema": _key_schema(inputs),
            "BillingMode": inputs["billingMode"],
            "DeletionProtectionEnabled": inputs["deletionProtectionEnabled"],
            "TableClass": inputs["tableClass"],
            "StreamSpecification": _stream(inputs),
        }
        if inputs.get("globalSecondaryIndexes"):
            wanted["GlobalSecondaryIndexes"] = [_index_request(index) for index in inputs["globalSecondaryIndexes"]]
        if inputs.get("serverSideEncryption"):
            wanted["SSESpecification"] = _encryption(inputs)
        if inputs.get("tags"):
            wanted["Tags"] = tag_list(inputs["tags"])
        self.api.create_table(**wanted)
        return str(inputs["name"])

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Set what a table gets only once it is active."""
        self._wait_until_active(identifier)
        if inputs["pointInTimeRecovery"]["enabled"]:
            self._put_recovery(identifier, inputs)
        if inputs.get("ttl", {}).get("enabled"):
            self._put_ttl(identifier, inputs["ttl"])

    def live(self, identifier: str) -> Properties:
        """Read the table, its recovery, its time to live and its tags."""
        table = self.api.describe_table(TableName=identifier)["Table"]
        keys = {each["KeyType"]: each["AttributeName"] for each in table["KeySchema"]}
        backups = self.api.describe_continuous_backups(TableName=identifier)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        stream = table.get("StreamSpecification", {})
        streams = bool(stream.get("StreamEnabled"))
        return {
            "name": table["TableName"],
            "attributes": [
                {"name": each["AttributeName"], "type": each["AttributeType"]} for each in table["AttributeDefinitions"]
            ],
            "billingMode": table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
            "hashKey": keys["HASH"],
            "rangeKey": keys.get("RANGE"),
            "globalSecondaryIndexes": [_index(index) for index in table.get("GlobalSecondaryIndexes", ())],
            "streamEnabled": streams,
            "streamViewType": stream.get("StreamViewType") if streams else None,
            "pointInTimeRecovery": {"enabled": recovery == "ENABLED"},
            "deletionProtectionEnabled": table.get("DeletionProtectionEnabled", False),
            "serverSideEncryption": _told_encryption(table, self.known),
            "ttl": self._told_ttl(identifier),
            "tableClass": table.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
            "tags": self._tags(table["TableArn"]),
            "arn": table["TableArn"],
            "streamArn": table.get("LatestStreamArn") if streams else "",
            "streamLabel": table.get("LatestStreamLabel") if streams else "",
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Change one thing at a time, waiting in between: the API takes one change of a table at a time."""
        self._update_indexes(identifier, change)
        if change.touches("streamEnabled", "streamViewType"):
            self._update_stream(identifier, change)
        if change.touches("deletionProtectionEnabled"):
            self._update(identifier, DeletionProtectionEnabled=change.news["deletionProtectionEnabled"])
        if change.touches("tableClass"):
            self._update(identifier, TableClass=change.news["tableClass"])
        if change.touches("serverSideEncryption"):
            self._update(identifier, SSESpecification=_encryption(change.news))
        if change.touches("billingMode"):
            self._update(identifier, BillingMode=change.news["billingMode"])
        if change.touches("pointInTimeRecovery"):
            self._put_recovery(identifier, change.news)
        if change.touches("ttl"):
            self._update_ttl(identifier, change)

    def remove(self, identifier: str) -> None:
        """Delete the table and wait until it is gone; a protected one is refused by the API."""
        self.api.delete_table(TableName=identifier)
        wait_until(
            lambda: found(self.api.describe_table, *self.gone, TableName=identifier) is None,
            f"the table {identifier} is gone",
        )

    def _wait_until_active(self, table: str) -> None:
        def is_active() -> bool:
            told = self.api.describe_table(TableName=table)["Table"]
            indexes = told.get("GlobalSecondaryIndexes", ())
            return told["TableStatus"] == "ACTIVE" and all(index["IndexStatus"] == "ACTIVE" for index in indexes)

        wait_until(is_active, f"the table {table} is active")

    def _update(self, table: str, **change: Any) -> None:
        self.api.update_table(TableName=table, **change)
        self._wait_until_active(table)

    def _update_stream(self, table: str, change: ResourceUpdate) -> None:
        # A stream's view type cannot be changed: off and on again, which makes a new stream.
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
        if change.olds.get("streamEnabled"):
            self._update(table, StreamSpecification={"StreamEnabled": False})
        if change.news["streamEnabled"]:
            self._update(table, StreamSpecification=_stream(change.news))

    def _update_indexes(self, table: str, change: ResourceUpdate) -> None:
        if not change.touches("globalSecondaryIndexes"):
            return
        before = {index["name"]: index for index in change.olds.get("globalSecondaryIndexes") or ()}
        after = {index["name"]: index for index in change.news.get("globalSecondaryIndexes") or ()}
        for name, index in before.items():
            if name not in after or not _INDEX.same(index, after[name]):
                self._update(table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}])
        for name, index in after.items():
            if name not in before or not _INDEX.same(before[name], index):
                self._update(
                    table,
                    AttributeDefinitions=_attributes(change.news),
                    GlobalSecondaryIndexUpdates=[{"Create": _index_request(index)}],
                )

    def _put_recovery(self, table: str, inputs: Mapping[str, Any]) -> None:
        wanted = {"PointInTimeRecoveryEnabled": inputs["pointInTimeRecovery"]["enabled"]}
        self.api.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=wanted)

    def _update_ttl(self, table: str, change: ResourceUpdate) -> None:
        before, after = change.olds.get("ttl") or {}, change.news.get("ttl") or {}
        if before.get("enabled"):
            self._put_ttl(table, {**before, "enabled": False})
        if after.get("enabled"):
            self._put_ttl(table, after)

    def _put_ttl(self, table: str, ttl: Mapping[str, Any]) -> None:
        wanted = {"Enabled": ttl["enabled"], "AttributeName": ttl["attributeName"]}
        self.api.update_time_to_live(TableName=table, TimeToLiveSpecification=wanted)

    def _told_ttl(self, table: str) -> Properties | None:
        told = self.api.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        if told["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}:
            return {"enabled": True, "attributeName": told["AttributeName"]}
        # AWS forgets the attribute of a time to live that is off.
        return {**self.known["ttl"], "enabled": False} if self.known.get("ttl") else None

    def _tags(self, arn: str) -> dict[str, str]:
        pages = self.api.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
        return {key: value for page in pages for key, value in tag_map(page["Tags"]).items()}


def _keys(inputs: Mapping[str, Any]) -> set[str]:
    keyed = [inputs, *(inputs.get("globalSecondaryIndexes") or ())]
    return {key["AttributeName"] for each in keyed for key in _key_schema(each)}


def _attributes(inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"AttributeName": each["name"], "AttributeType": each["type"]} for each in inputs["attributes"]]


def _key_schema(keyed: Mapping[str, Any]) -> list[dict[str, str]]:
    if keyed.get("keySchemas"):
        return [{"AttributeName": key["attributeName"], "KeyType": key["keyType"]} for key in keyed["keySchemas"]]
    kinds = {"HASH": keyed.get("hashKey"), "RANGE": keyed.get("rangeKey")}
    return [{"AttributeName": name, "KeyType": kind} for kind, name in kinds.items() if name]


def _stream(inputs: Mapping[str, Any]) -> dict[str, Any]:
    if not inputs["streamEnabled"]:
        return {"StreamEnabled": False}
    return {"StreamEnabled": True, "StreamViewType": inputs["streamViewType"]}


def _encryption(inputs: Mapping[str, Any]) -> dict[str, Any]:
    wanted = inputs.get("serverSideEncryption") or {"enabled": False}
    key = {"SSEType": "KMS", "KMSMasterKeyId": wanted["kmsKeyArn"]} if wanted.get("kmsKeyArn") else {}
    return {"Enabled": wanted["enabled"], **key}


def _told_encryption(table: Mapping[str, Any], known: Mapping[str, Any]) -> Properties | None:
    recorded = known.get("serverSideEncryption")
    told = table.get("SSEDescription", {})
    if told.get("Status") not in {"ENABLED", "ENABLING", "UPDATING"}:
        return {"enabled": False} if recorded else None
    own_key = {"kmsKeyArn": told["KMSMasterKeyArn"]} if (recorded or {}).get("kmsKeyArn") else {}
    return {"enabled": True, **own_key}


def _index_request(index: Mapping[str, Any]) -> dict[str, Any]:
    projection: dict[str, Any] = {"ProjectionType": index["projectionType"]}
    if index.get("nonKeyAttributes"):
        projection["NonKeyAttributes"] = index["nonKeyAttributes"]
    return {"IndexName": index["name"], "KeySchema": _key_schema(index), "Projection": projection}


def _index(told: Mapping[str, Any]) -> Properties:
    schema = [{"attributeName": key["AttributeName"], "keyType": key["KeyType"]} for key in told["KeySchema"]]
    index = {
        "name": told["IndexName"],
        "keySchemas": schema,
        "projectionType": told["Projection"]["ProjectionType"],
        "nonKeyAttributes": told["Projection"].get("NonKeyAttributes"),
    }
    return {name: value for name, value in index.items() if value}
