"""DynamoDB tables: on demand, with indexes, a stream, recovery, protection, encryption and time to live."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import TAGS, Calls, Resource, ResourceUpdate, Tagging, wait_until
from local_cloud.provider.schema import Block, Flag, ListOf, Name, Properties, Refusal, Text
from local_cloud.provider.wire import has_unknown

__all__ = ["Table"]

# 3 to 255 characters for tables and indexes:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_NAME = (r"[a-zA-Z0-9_.-]+", 3, 255, "letters, digits, _ - and . are allowed")
_KEY = rules.matches(r"(?s).+", 1, 255, "a key has a name")


_KEY_SCHEMA = Block(
    {"attributeName": Text(required=True, rules=(_KEY,)), "keyType": Text(("HASH", "RANGE"), required=True)}
)


class _Index(Block):
    """A global secondary index, whose keys are given as `keySchemas` or, the older form, `hashKey` and `rangeKey`."""

    def written(self, value: Mapping[str, Any]) -> Properties:
        flat = super().written({name: value.get(name) for name in ("name", "projectionType", "nonKeyAttributes")})
        return {"IndexName": flat.pop("IndexName"), "KeySchema": _key_schema(value), "Projection": flat}

    def told(self, value: Mapping[str, Any], given: Any) -> Properties:
        return super().told({**value, **value["Projection"]}, given)

    def _alike(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        # However the keys are given.
        rest = ({**each, "hashKey": None, "rangeKey": None, "keySchemas": None} for each in (one, other))
        return _key_schema(one) == _key_schema(other) and super()._alike(*rest)


_INDEX = _Index(
    {
        "name": Text(required=True, rules=(rules.matches(*_NAME),), api="IndexName"),
        "hashKey": Text(rules=(_KEY,)),
        "rangeKey": Text(rules=(_KEY,)),
        "keySchemas": ListOf(_KEY_SCHEMA, ordered=True, api="KeySchema"),
        "projectionType": Text(("ALL", "KEYS_ONLY", "INCLUDE"), required=True),
        # 20 attributes: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Projection.html
        "nonKeyAttributes": ListOf(Text(), most=20),
    }
)

_ATTRIBUTE = Block(
    {
        "name": Text(required=True, rules=(_KEY,), api="AttributeName"),
        "type": Text(("S", "N", "B"), required=True, api="AttributeType"),
    }
)
_RECOVERED = Flag(required=True, api="PointInTimeRecoveryEnabled")
_VIEWS = ("KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES")


class Table(Resource, module="dynamodb"):
    """A table, billed by request: provisioned capacity is not implemented."""

    properties: ClassVar = {
        "name": Name(*_NAME, api="TableName"),
        "attributes": ListOf(_ATTRIBUTE, required=True, api="AttributeDefinitions"),
        "billingMode": Text(("PAY_PER_REQUEST",), required=True),
        "hashKey": Text(required=True, replaces=True, rules=(_KEY,), apart=True),
        "rangeKey": Text(replaces=True, rules=(_KEY,), apart=True),
        # 20 by default: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
        "globalSecondaryIndexes": ListOf(_INDEX, most=20),
        "streamEnabled": Flag(default=False, apart=True),
        "streamViewType": Text(_VIEWS, apart=True),
        "pointInTimeRecovery": Block({"enabled": _RECOVERED}, default={"enabled": False}, apart=True),
        "deletionProtectionEnabled": Flag(default=False),
        "serverSideEncryption": Block({"enabled": Flag(required=True), "kmsKeyArn": Text()}, apart=True),
        "ttl": Block({"enabled": Flag(default=False), "attributeName": Text()}, apart=True),
        "tableClass": Text(("STANDARD", "STANDARD_INFREQUENT_ACCESS"), default="STANDARD"),
        "tags": TAGS,
    }
    outputs: ClassVar = {"arn": "TableArn", "streamArn": "", "streamLabel": ""}
    calls = Calls("TableName", create="create_table", read="describe_table", remove="delete_table")
    tagging = Tagging(owner="ResourceArn", by_arn=True, read="list_tags_of_resource")
    renewed: ClassVar = dict.fromkeys(("streamArn", "streamLabel"), frozenset({"streamEnabled", "streamViewType"}))

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
        keyed_by = [inputs, *(inputs.get("globalSecondaryIndexes") or ())]
        used = {key["AttributeName"] for each in keyed_by for key in _key_schema(each)}
        for name in sorted(defined - used):
            yield Refusal("attributes", f"{name!r} is the key of neither the table nor an index")
        for name in sorted(used - defined):
            yield Refusal("attributes", f"the key {name!r} has no type: add it to the attributes")

    def request(self, inputs: Mapping[str, Any], names: frozenset[str] | None = None) -> Properties:
        wanted = super().request(inputs, names)
        if names is None:
            wanted |= {"KeySchema": _key_schema(inputs), "StreamSpecification": _stream(inputs)}
            if inputs.get("serverSideEncryption"):
                wanted["SSESpecification"] = _encryption(inputs)
        return wanted

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Set what a table gets only once it is active."""
        self._wait_until_active(identifier)
        if inputs["pointInTimeRecovery"]["enabled"]:
            self._put_recovery(identifier, inputs)
        if inputs.get("ttl", {}).get("enabled"):
            self._put_ttl(identifier, inputs["ttl"])

    def live(self, identifier: str) -> Properties:
        table = self.api.describe_table(TableName=identifier)["Table"]
        keys = {each["KeyType"]: each["AttributeName"] for each in table["KeySchema"]}
        backups = self.api.describe_continuous_backups(TableName=identifier)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        stream = table.get("StreamSpecification", {})
        streams = bool(stream.get("StreamEnabled"))
        summaries = {**table.get("BillingModeSummary", {}), **table.get("TableClassSummary", {})}
        return {
            **self.told({"BillingMode": "PROVISIONED", **table, **summaries}),
            "hashKey": keys["HASH"],
            "rangeKey": keys.get("RANGE"),
            "streamEnabled": streams,
            "streamViewType": stream.get("StreamViewType") if streams else None,
            "pointInTimeRecovery": {"enabled": recovery == "ENABLED"},
            "serverSideEncryption": _told_encryption(table, self.known),
            "ttl": self._told_ttl(identifier),
            "streamArn": table.get("LatestStreamArn") if streams else "",
            "streamLabel": table.get("LatestStreamLabel") if streams else "",
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        # The API takes one change of a table at a time.
        if change.touches("globalSecondaryIndexes"):
            self._update_indexes(identifier, change)
        if change.touches("streamEnabled", "streamViewType"):
            self._update_stream(identifier, change)
        for name in ("deletionProtectionEnabled", "tableClass", "billingMode"):
            if change.touches(name):
                self._update(identifier, **self.request(change.news, frozenset({name})))
        if change.touches("serverSideEncryption"):
            self._update(identifier, SSESpecification=_encryption(change.news))
        if change.touches("pointInTimeRecovery"):
            self._put_recovery(identifier, change.news)
        if change.touches("ttl"):
            self._update_ttl(identifier, change)

    def remove(self, identifier: str) -> None:
        """Delete the table and wait until it is gone; a protected one is refused by the API."""
        super().remove(identifier)
        self.wait_until_gone(identifier)

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
        before = {index["name"]: index for index in change.olds.get("globalSecondaryIndexes") or ()}
        after = {index["name"]: index for index in change.news.get("globalSecondaryIndexes") or ()}
        for name, index in before.items():
            if name not in after or not _INDEX.same(index, after[name]):
                self._update(table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}])
        for name, index in after.items():
            if name not in before or not _INDEX.same(before[name], index):
                keys = self.request(change.news, frozenset({"attributes"}))
                self._update(table, **keys, GlobalSecondaryIndexUpdates=[{"Create": _INDEX.written(index)}])

    def _put_recovery(self, table: str, inputs: Mapping[str, Any]) -> None:
        wanted = self.properties["pointInTimeRecovery"].written(inputs["pointInTimeRecovery"])
        self.api.update_continuous_backups(TableName=table, PointInTimeRecoverySpecification=wanted)

    def _update_ttl(self, table: str, change: ResourceUpdate) -> None:
        before, after = change.olds.get("ttl") or {}, change.news.get("ttl") or {}
        if before.get("enabled"):
            self._put_ttl(table, {**before, "enabled": False})
        if after.get("enabled"):
            self._put_ttl(table, after)

    def _put_ttl(self, table: str, ttl: Mapping[str, Any]) -> None:
        self.api.update_time_to_live(TableName=table, TimeToLiveSpecification=self.properties["ttl"].written(ttl))

    def _told_ttl(self, table: str) -> Properties | None:
        told = self.api.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        if told["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}:
            return {"enabled": True, "attributeName": told["AttributeName"]}
        # AWS forgets the attribute of a time to live that is off.
        return {**self.known["ttl"], "enabled": False} if self.known.get("ttl") else None


def _key_schema(keyed: Mapping[str, Any]) -> list[dict[str, str]]:
    if keyed.get("keySchemas"):
        return [_KEY_SCHEMA.written(key) for key in keyed["keySchemas"]]
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
