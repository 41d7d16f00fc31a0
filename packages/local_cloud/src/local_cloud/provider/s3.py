"""S3 buckets, and what is configured on one: each a resource of its own, whose id is the bucket's name."""

from collections.abc import Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.resource import TAGS, Calls, RefusedError, Resource, ResourceUpdate, Setting, found
from local_cloud.provider.schema import Block, Document, Flag, Integer, ListOf, Name, Properties, Property, Text

__all__ = [
    "Bucket",
    "BucketLifecycleConfiguration",
    "BucketNotification",
    "BucketOwnershipControls",
    "BucketPolicy",
    "BucketPublicAccessBlock",
    "BucketServerSideEncryptionConfiguration",
    "BucketVersioning",
]

_PAGE = 1000


class Bucket(Resource, module="s3"):
    """A bucket."""

    properties: ClassVar = {
        "bucket": Name(".*", 3, 63, "", lower=True, rules=(rules.bucket_name,)),
        "forceDestroy": Flag(default=False, readable=False),
        "tags": TAGS,
    }
    outputs: ClassVar = dict.fromkeys(("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName"), "")
    calls = Calls("Bucket", remove="delete_bucket")

    def create(self, inputs: Mapping[str, Any]) -> str:
        name: str = inputs["bucket"]
        # us-east-1 is the one region that CreateBucket does not take as a constraint.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
        place = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        self.api.create_bucket(Bucket=name, **({"CreateBucketConfiguration": place} if place else {}))
        return name

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        if inputs.get("tags"):
            self.api.put_bucket_tagging(Bucket=identifier, Tagging={"TagSet": TAGS.written(inputs["tags"])})

    def live(self, identifier: str) -> Properties:
        self.api.head_bucket(Bucket=identifier)
        tags = found(self.api.get_bucket_tagging, "NoSuchTagSet", Bucket=identifier)
        return {
            "bucket": identifier,
            "tags": TAGS.told(tags["TagSet"], None) if tags else {},
            "arn": f"arn:aws:s3:::{identifier}",
            "bucketDomainName": f"{identifier}.s3.amazonaws.com",
            "bucketRegion": self.region,
            "bucketRegionalDomainName": f"{identifier}.s3.{self.region}.amazonaws.com",
        }

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Put the tags; `forceDestroy` is only recorded."""
        if change.touches("tags"):
            self.api.delete_bucket_tagging(Bucket=identifier)
            self.complete(identifier, change.news)

    def remove(self, identifier: str) -> None:
        """Delete the bucket, with `forceDestroy` every version in it first."""
        if self.known.get("forceDestroy"):
            self._empty(identifier)
        elif self._holds_objects(identifier):
            raise RefusedError(
                f"the bucket {identifier} is not empty: empty it, or set forceDestroy and deploy that first"
            )
        super().remove(identifier)

    def _holds_objects(self, bucket: str) -> bool:
        versions = self.api.list_object_versions(Bucket=bucket, MaxKeys=1)
        return bool(versions.get("Versions") or versions.get("DeleteMarkers"))

    def _empty(self, bucket: str) -> None:
        for upload in self.api.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
            self.api.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        while True:
            page = self.api.list_object_versions(Bucket=bucket, MaxKeys=_PAGE)
            versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if not versions:
                return
            doomed = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]
            answer = self.api.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
            if answer.get("Errors"):
                first = answer["Errors"][0]
                raise RefusedError(
                    f"{bucket} could not be emptied: {first['Key']}: {first['Code']}: {first['Message']}"
                )


def _calls(subject: str, removed: str = "") -> Calls:
    return Calls("Bucket", create=f"put_{subject}", read=f"get_{subject}", remove=f"delete_{removed or subject}")


class _BucketSetting(Setting, module="s3"):
    """What is configured on a bucket, by the calls that get, put and delete it."""

    of = "bucket"
    whole: ClassVar[str] = ""
    """The parameter that has all of it, as may the answer."""

    @classmethod
    def inputs(cls, **properties: Property) -> Mapping[str, Property]:
        """Return these and the bucket, which the calls take beside them."""
        return {"bucket": Text(required=True, replaces=True, rules=(rules.bucket_name,), apart=True), **properties}

    def told(self, answer: Mapping[str, Any]) -> Properties:
        return super().told(answer.get(self.whole, answer))

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        wanted = self.request(inputs)
        self.ask(self.calls.create, Bucket=identifier, **({self.whole: wanted} if self.whole else wanted))


class BucketVersioning(_BucketSetting):
    """Whether a bucket keeps the versions of its objects; Disabled is what a new one is."""

    properties = _BucketSetting.inputs(
        versioningConfiguration=Block(
            {"status": Text(("Enabled", "Suspended", "Disabled"), required=True)}, required=True
        ),
    )
    calls = _calls("bucket_versioning")

    def create(self, inputs: Mapping[str, Any]) -> str:
        if inputs["versioningConfiguration"]["status"] != "Disabled":
            self.put(inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def told(self, answer: Mapping[str, Any]) -> Properties:
        return super().told({"VersioningConfiguration": {"Status": "Disabled", **answer}})

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        # What was on can only be suspended: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
        if change.news["versioningConfiguration"]["status"] == "Disabled":
            raise RefusedError(f"the versioning of {identifier} was on: AWS can suspend it, not disable it")
        self.put(identifier, change.news)

    def remove(self, identifier: str) -> None:
        """Suspend the versioning, as the AWS provider does."""
        if self.known["versioningConfiguration"]["status"] == "Enabled":
            self.put(identifier, {"versioningConfiguration": {"status": "Suspended"}})


class _LifecycleRule(Block):
    """A rule for the objects of a filter: all pass the empty prefix, and no filter is the API's old form."""

    def written(self, value: Mapping[str, Any]) -> Properties:
        rule = super().written(value)
        return {**rule, "Filter": rule.get("Filter") or {"Prefix": ""}}


_PLAIN_FILTER: Mapping[str, Property] = {
    "prefix": Text(),
    "objectSizeGreaterThan": Integer(0, implied=0),  # AWS echoes it
    "objectSizeLessThan": Integer(1),
}
_FILTER = {
    **_PLAIN_FILTER,
    "tag": Block({"key": Text(required=True), "value": Text(required=True)}),
    "and": Block({**_PLAIN_FILTER, "tags": TAGS}),
}
_DAYS = Integer(1)
_NONCURRENT_DAYS = Integer(1, required=True)
_NEWER_VERSIONS = Integer(1, 100)
_STORAGE_CLASS = Text(required=True)
_NONCURRENT = {"noncurrentDays": _NONCURRENT_DAYS, "newerNoncurrentVersions": _NEWER_VERSIONS}

_LIFECYCLE_RULE = _LifecycleRule(
    {
        # 255 characters: https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html
        "id": Text(required=True, rules=(rules.at_most(255),), api="ID"),
        "status": Text(("Enabled", "Disabled"), required=True),
        "filter": Block(_FILTER),
        "expiration": Block({"days": _DAYS, "expiredObjectDeleteMarker": Flag()}),
        "noncurrentVersionExpiration": Block(_NONCURRENT),
        "abortIncompleteMultipartUpload": Block({"daysAfterInitiation": Integer(1, required=True)}),
        "transitions": ListOf(Block({"days": Integer(0), "storageClass": _STORAGE_CLASS})),
        "noncurrentVersionTransitions": ListOf(Block({**_NONCURRENT, "storageClass": _STORAGE_CLASS})),
    }
)


class BucketLifecycleConfiguration(_BucketSetting):
    """When a bucket's objects, versions and incomplete uploads go."""

    # 1,000 rules: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
    properties = _BucketSetting.inputs(rules=ListOf(_LIFECYCLE_RULE, most=1000, required=True))
    whole = "LifecycleConfiguration"
    calls = _calls("bucket_lifecycle_configuration", removed="bucket_lifecycle")


class BucketPublicAccessBlock(_BucketSetting):
    """What of public access a bucket refuses."""

    properties = _BucketSetting.inputs(
        blockPublicAcls=Flag(default=False),
        blockPublicPolicy=Flag(default=False),
        ignorePublicAcls=Flag(default=False),
        restrictPublicBuckets=Flag(default=False),
    )
    whole = "PublicAccessBlockConfiguration"
    calls = _calls("public_access_block")


class _Only(Block):
    """A block that is the only one of a list."""

    def written(self, value: Mapping[str, Any]) -> Any:
        return [super().written(value)]

    def told(self, value: Any, given: Mapping[str, Any] | None) -> Properties:
        return super().told(value[0], given)


class BucketOwnershipControls(_BucketSetting):
    """Who owns the objects that others write to a bucket."""

    properties = _BucketSetting.inputs(
        rule=_Only(
            {"objectOwnership": Text(("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"), required=True)},
            required=True,
            api="Rules",
        ),
    )
    whole = "OwnershipControls"
    calls = _calls("bucket_ownership_controls")


_BY_DEFAULT = Block(
    {
        "sseAlgorithm": Text(("AES256", "aws:kms", "aws:kms:dsse"), required=True, api="SSEAlgorithm"),
        "kmsMasterKeyId": Text(api="KMSMasterKeyID"),
    }
)


class BucketServerSideEncryptionConfiguration(_BucketSetting):
    """How a bucket encrypts what is put without saying how."""

    properties = _BucketSetting.inputs(
        rules=ListOf(
            Block({"applyServerSideEncryptionByDefault": _BY_DEFAULT, "bucketKeyEnabled": Flag(default=False)}),
            most=1,
            required=True,
        ),
    )
    whole = "ServerSideEncryptionConfiguration"
    calls = _calls("bucket_encryption")


class BucketPolicy(_BucketSetting):
    """Who may do what with a bucket."""

    # 20 KB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html
    properties = _BucketSetting.inputs(
        policy=Document(required=True, rules=(rules.utf8_bytes_at_most(20 * 1024, "the bucket policy"),))
    )
    calls = _calls("bucket_policy")


class _Listener(Block):
    """Whom of one kind a bucket tells, and of which keys."""

    def written(self, value: Mapping[str, Any]) -> Properties:
        flat = super().written(value)
        filters = [{"Name": name, "Value": flat.pop(member)} for name, member in _KEY_FILTERS.items() if member in flat]
        return {**flat, "Filter": {"Key": {"FilterRules": filters}}} if filters else flat

    def told(self, value: Mapping[str, Any], given: Mapping[str, Any] | None) -> Properties:
        filters = value.get("Filter", {}).get("Key", {}).get("FilterRules", ())
        flat = {_KEY_FILTERS[each["Name"].lower()]: each["Value"] for each in filters}
        return super().told({**value, **flat}, given)


_KEY_FILTERS = {"prefix": "FilterPrefix", "suffix": "FilterSuffix"}


class _Listeners(ListOf):
    """All of one kind; an id that AWS made up is not told, as the AWS provider does not compare it."""

    def told(self, value: list[Any], given: Any) -> list[Any]:
        own_ids = {each.get("id") for each in given or ()}
        told = super().told(value, given)
        return [{k: v for k, v in each.items() if k != "id" or v in own_ids} for each in told]


def _listeners(receiver: str, api: str, *, required: bool = True) -> Property:
    block = {
        "id": Text(),
        "events": ListOf(Text(), required=True),
        "filterPrefix": Text(),
        "filterSuffix": Text(),
        receiver: Text(required=required),
    }
    return _Listeners(_Listener(block), api=api)


class BucketNotification(_BucketSetting):
    """Whom a bucket tells of its events. A bucket has one of these."""

    properties = _BucketSetting.inputs(
        eventbridge=Flag(default=False, apart=True),
        queues=_listeners("queueArn", "QueueConfigurations"),
        topics=_listeners("topicArn", "TopicConfigurations"),
        lambdaFunctions=_listeners("lambdaFunctionArn", "LambdaFunctionConfigurations", required=False),
    )
    whole = "NotificationConfiguration"
    calls = _calls("bucket_notification_configuration")

    def request(self, inputs: Mapping[str, Any], names: frozenset[str] | None = None) -> Properties:
        eventbridge: Properties = {"EventBridgeConfiguration": {}} if inputs.get("eventbridge") else {}
        return {**super().request(inputs, names), **eventbridge}

    def told(self, answer: Mapping[str, Any]) -> Properties:
        return {**super().told(answer), "eventbridge": "EventBridgeConfiguration" in answer}

    def remove(self, identifier: str) -> None:
        self.put(identifier, {})
