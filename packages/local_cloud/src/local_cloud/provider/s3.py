"""S3 buckets, and what is configured on one: each a resource of its own, whose id is the bucket's name."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.naming import Naming
from local_cloud.provider.resource import (
    TAGS,
    RefusedError,
    Resource,
    ResourceUpdate,
    Setting,
    camel,
    found,
    pascal,
    tag_list,
    tag_map,
)
from local_cloud.provider.schema import (
    Block,
    Document,
    Flag,
    Integer,
    ListOf,
    Properties,
    Property,
    Text,
)

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

_NO_BUCKET = ("NoSuchBucket", "404")
_BUCKET = Property(kind=Text(), required=True, replaces=True, rules=(rules.bucket_name,))
_PAGE = 1000


class Bucket(Resource):
    """A bucket."""

    type_name = "aws:s3/bucket:Bucket"
    service = "s3"
    properties: ClassVar = {
        "bucket": Property(
            kind=Text(), replaces=True, naming=Naming(maximum=63, lower=True), rules=(rules.bucket_name,)
        ),
        "forceDestroy": Property(kind=Flag(), default=False, readable=False),
        "tags": TAGS,
    }
    outputs = ("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName")
    gone = _NO_BUCKET

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Create the bucket in the region."""
        name: str = inputs["bucket"]
        # us-east-1 is the one region that CreateBucket does not take as a constraint.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
        place = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        self.api.create_bucket(Bucket=name, **({"CreateBucketConfiguration": place} if place else {}))
        return name

    def complete(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Put the tags."""
        if inputs.get("tags"):
            self.api.put_bucket_tagging(Bucket=identifier, Tagging={"TagSet": tag_list(inputs["tags"])})

    def live(self, identifier: str) -> Properties:
        """Read the bucket and its tags."""
        self.api.head_bucket(Bucket=identifier)
        tags = found(self.api.get_bucket_tagging, "NoSuchTagSet", Bucket=identifier)
        return {
            "bucket": identifier,
            "tags": tag_map(tags["TagSet"] if tags else []),
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
        self.api.delete_bucket(Bucket=identifier)

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


class _BucketSetting(Setting):
    """What is configured on a bucket."""

    service = "s3"
    of = "bucket"
    getter: ClassVar[str]
    remover: ClassVar[str]

    def live(self, identifier: str) -> Properties:
        """Read the configuration."""
        return {"bucket": identifier, **self.told(getattr(self.api, self.getter)(Bucket=identifier))}

    @abstractmethod
    def told(self, answer: Mapping[str, Any]) -> Properties:
        """Return the inputs that the API's answer tells."""

    def remove(self, identifier: str) -> None:
        """Remove the configuration: the bucket is as a new one."""
        getattr(self.api, self.remover)(Bucket=identifier)


class BucketVersioning(_BucketSetting):
    """Whether a bucket keeps the versions of its objects."""

    type_name = "aws:s3/bucketVersioning:BucketVersioning"
    properties: ClassVar = {
        "bucket": _BUCKET,
        "versioningConfiguration": Property(
            kind=Block({"status": Property(kind=Text(("Enabled", "Suspended", "Disabled")), required=True)}),
            required=True,
        ),
    }
    gone = _NO_BUCKET
    getter = "get_bucket_versioning"

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the configuration; Disabled is what a new bucket is."""
        if inputs["versioningConfiguration"]["status"] != "Disabled":
            self.put(inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def told(self, answer: Mapping[str, Any]) -> Properties:
        """Return the status; a bucket where it was never set is Disabled."""
        return {"versioningConfiguration": {"status": answer.get("Status", "Disabled")}}

    def update(self, identifier: str, change: ResourceUpdate) -> None:
        """Put the configuration.

        What was on can only be suspended: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
        """
        if change.news["versioningConfiguration"]["status"] == "Disabled":
            raise RefusedError(f"the versioning of {identifier} was on: AWS can suspend it, not disable it")
        self.put(identifier, change.news)

    def remove(self, identifier: str) -> None:
        """Suspend the versioning, as the AWS provider does."""
        if self.known["versioningConfiguration"]["status"] == "Enabled":
            self.put(identifier, {"versioningConfiguration": {"status": "Suspended"}})

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Put the configuration."""
        status = inputs["versioningConfiguration"]["status"]
        self.api.put_bucket_versioning(Bucket=identifier, VersioningConfiguration={"Status": status})


_DAYS = Integer(minimum=1)

_LIFECYCLE_FILTER = Block(
    {
        "prefix": Property(kind=Text()),
        "objectSizeGreaterThan": Property(kind=Integer(minimum=0)),
        "objectSizeLessThan": Property(kind=Integer(minimum=1)),
        "tag": Property(
            kind=Block({"key": Property(kind=Text(), required=True), "value": Property(kind=Text(), required=True)})
        ),
        "and": Property(
            kind=Block(
                {
                    "prefix": Property(kind=Text()),
                    "objectSizeGreaterThan": Property(kind=Integer(minimum=0)),
                    "objectSizeLessThan": Property(kind=Integer(minimum=1)),
                    "tags": TAGS,
                }
            )
        ),
    }
)

_LIFECYCLE_RULE = Block(
    {
        # 255 characters: https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html
        "id": Property(kind=Text(), required=True, rules=(rules.at_most(255),)),
        "status": Property(kind=Text(("Enabled", "Disabled")), required=True),
        "filter": Property(kind=_LIFECYCLE_FILTER),
        "expiration": Property(
            kind=Block({"days": Property(kind=_DAYS), "expiredObjectDeleteMarker": Property(kind=Flag())})
        ),
        "noncurrentVersionExpiration": Property(
            kind=Block(
                {
                    "noncurrentDays": Property(kind=_DAYS, required=True),
                    "newerNoncurrentVersions": Property(kind=Integer(minimum=1, maximum=100)),
                }
            )
        ),
        "abortIncompleteMultipartUpload": Property(
            kind=Block({"daysAfterInitiation": Property(kind=_DAYS, required=True)})
        ),
        "transitions": Property(
            kind=ListOf(
                Block(
                    {
                        "days": Property(kind=Integer(minimum=0)),
                        "storageClass": Property(kind=Text(), required=True),
                    }
                )
            )
        ),
        "noncurrentVersionTransitions": Property(
            kind=ListOf(
                Block(
                    {
                        "noncurrentDays": Property(kind=_DAYS, required=True),
                        "newerNoncurrentVersions": Property(kind=Integer(minimum=1, maximum=100)),
                        "storageClass": Property(kind=Text(), required=True),
                    }
                )
            )
        ),
    }
)


class BucketLifecycleConfiguration(_BucketSetting):
    """When a bucket's objects, versions and incomplete uploads go."""

    type_name = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    properties: ClassVar = {
        "bucket": _BUCKET,
        # 1,000 rules: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
        "rules": Property(kind=ListOf(_LIFECYCLE_RULE, most=1000), required=True),
    }
    gone = (*_NO_BUCKET, "NoSuchLifecycleConfiguration")
    getter = "get_bucket_lifecycle_configuration"
    remover = "delete_bucket_lifecycle"

    def told(self, answer: Mapping[str, Any]) -> Properties:
        """Return the rules."""
        return {"rules": [_lifecycle_rule(rule) for rule in answer["Rules"]]}

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Put the rules."""
        wanted = {"Rules": [_lifecycle_request(rule) for rule in inputs["rules"]]}
        self.api.put_bucket_lifecycle_configuration(Bucket=identifier, LifecycleConfiguration=wanted)


def _lifecycle_request(rule: Mapping[str, Any]) -> dict[str, Any]:
    wanted: dict[str, Any] = pascal({name: value for name, value in rule.items() if name not in {"id", "filter"}})
    wanted["ID"] = rule["id"]
    filter_ = dict(rule.get("filter") or {})
    combined = filter_.pop("and", None)
    # An empty prefix is the filter that every object passes; a rule without any filter is the API's old form.
    wanted["Filter"] = pascal(filter_) or ({} if combined else {"Prefix": ""})
    if combined:
        tags = {"Tags": tag_list(combined["tags"])} if combined.get("tags") else {}
        wanted["Filter"]["And"] = {**pascal({k: v for k, v in combined.items() if k != "tags"}), **tags}
    return wanted


def _lifecycle_rule(rule: Mapping[str, Any]) -> Properties:
    told: Properties = camel({name: value for name, value in rule.items() if name not in {"ID", "Filter"}})
    filter_ = dict(rule.get("Filter") or {})
    combined = filter_.pop("And", None)
    told |= {"id": rule["ID"], "filter": camel(filter_)}
    if combined:
        plain = {name: value for name, value in combined.items() if name != "Tags" and value}
        told["filter"]["and"] = {**camel(plain), "tags": tag_map(combined.get("Tags"))}
    return {name: value for name, value in told.items() if value not in ({"prefix": ""}, {})}


class BucketPublicAccessBlock(_BucketSetting):
    """What of public access a bucket refuses."""

    type_name = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    properties: ClassVar = {
        "bucket": _BUCKET,
        "blockPublicAcls": Property(kind=Flag(), default=False),
        "blockPublicPolicy": Property(kind=Flag(), default=False),
        "ignorePublicAcls": Property(kind=Flag(), default=False),
        "restrictPublicBuckets": Property(kind=Flag(), default=False),
    }
    gone = (*_NO_BUCKET, "NoSuchPublicAccessBlockConfiguration")
    getter = "get_public_access_block"
    remover = "delete_public_access_block"

    def told(self, answer: Mapping[str, Any]) -> Properties:
        """Return the settings."""
        settings: Properties = camel(answer["PublicAccessBlockConfiguration"])
        return settings

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Put all four settings."""
        settings = pascal({name: inputs[name] for name in self.properties if name != "bucket"})
        self.api.put_public_access_block(Bucket=identifier, PublicAccessBlockConfiguration=settings)


class BucketOwnershipControls(_BucketSetting):
    """Who owns the objects that others write to a bucket."""

    type_name = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    properties: ClassVar = {
        "bucket": _BUCKET,
        "rule": Property(
            kind=Block(
                {
                    "objectOwnership": Property(
                        kind=Text(("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")), required=True
                    )
                }
            ),
            required=True,
        ),
    }
    gone = (*_NO_BUCKET, "OwnershipControlsNotFoundError")
    getter = "get_bucket_ownership_controls"
    remover = "delete_bucket_ownership_controls"

    def told(self, answer: Mapping[str, Any]) -> Properties:
        """Return the rule."""
        return {"rule": camel(answer["OwnershipControls"]["Rules"][0])}

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Put the rule."""
        controls = {"Rules": [pascal(inputs["rule"])]}
        self.api.put_bucket_ownership_controls(Bucket=identifier, OwnershipControls=controls)


class BucketServerSideEncryptionConfiguration(_BucketSetting):
    """How a bucket encrypts what is put without saying how."""

    type_name = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    properties: ClassVar = {
        "bucket": _BUCKET,
        "rules": Property(
            kind=ListOf(
                Block(
                    {
                        "applyServerSideEncryptionByDefault": Property(
                            kind=Block(
                                {
                                    "sseAlgorithm": Property(
                                        kind=Text(("AES256", "aws:kms", "aws:kms:dsse")), required=True
                                    ),
                                    "kmsMasterKeyId": Property(kind=Text()),
                                }
                            )
                        ),
                        "bucketKeyEnabled": Property(kind=Flag(), default=False),
                    }
                ),
                most=1,
            ),
            required=True,
        ),
    }
    gone = (*_NO_BUCKET, "ServerSideEncryptionConfigurationNotFoundError")
    getter = "get_bucket_encryption"
    remover = "delete_bucket_encryption"

    def told(self, answer: Mapping[str, Any]) -> Properties:
        """Return the rule."""
        return {"rules": [_encryption_rule(rule) for rule in answer["ServerSideEncryptionConfiguration"]["Rules"]]}

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Put the rule."""
        wanted = {"Rules": [_encryption_request(rule) for rule in inputs["rules"]]}
        self.api.put_bucket_encryption(Bucket=identifier, ServerSideEncryptionConfiguration=wanted)


def _encryption_request(rule: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {"BucketKeyEnabled": rule["bucketKeyEnabled"]}
    default = rule.get("applyServerSideEncryptionByDefault")
    if default:
        algorithm = {"SSEAlgorithm": default["sseAlgorithm"]}
        key = {"KMSMasterKeyID": default["kmsMasterKeyId"]} if default.get("kmsMasterKeyId") else {}
        wanted["ApplyServerSideEncryptionByDefault"] = algorithm | key
    return wanted


def _encryption_rule(rule: Mapping[str, Any]) -> Properties:
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    told = {"sseAlgorithm": default.get("SSEAlgorithm"), "kmsMasterKeyId": default.get("KMSMasterKeyID")}
    return {
        "applyServerSideEncryptionByDefault": {name: value for name, value in told.items() if value},
        "bucketKeyEnabled": rule.get("BucketKeyEnabled", False),
    }


class BucketPolicy(_BucketSetting):
    """Who may do what with a bucket."""

    type_name = "aws:s3/bucketPolicy:BucketPolicy"
    properties: ClassVar = {
        "bucket": _BUCKET,
        # 20 KB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html
        "policy": Property(
            kind=Document(), required=True, rules=(rules.utf8_bytes_at_most(20 * 1024, "the bucket policy"),)
        ),
    }
    gone = (*_NO_BUCKET, "NoSuchBucketPolicy")
    getter = "get_bucket_policy"
    remover = "delete_bucket_policy"

    def told(self, answer: Mapping[str, Any]) -> Properties:
        """Return the policy."""
        return {"policy": answer["Policy"]}

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Put the policy."""
        self.api.put_bucket_policy(Bucket=identifier, Policy=inputs["policy"])


def _listeners(receiver: str, *, required: bool) -> Property:
    block = {
        "id": Property(kind=Text()),
        "events": Property(kind=ListOf(Text()), required=True),
        "filterPrefix": Property(kind=Text()),
        "filterSuffix": Property(kind=Text()),
        receiver: Property(kind=Text(), required=required),
    }
    return Property(kind=ListOf(Block(block)))


class BucketNotification(_BucketSetting):
    """Whom a bucket tells of its events. A bucket has one of these."""

    type_name = "aws:s3/bucketNotification:BucketNotification"
    properties: ClassVar = {
        "bucket": _BUCKET,
        "eventbridge": Property(kind=Flag(), default=False),
        "queues": _listeners("queueArn", required=True),
        "topics": _listeners("topicArn", required=True),
        "lambdaFunctions": _listeners("lambdaFunctionArn", required=False),
    }

    _RECEIVERS: ClassVar = {
        "queues": ("QueueConfigurations", "queueArn", "QueueArn"),
        "topics": ("TopicConfigurations", "topicArn", "TopicArn"),
        "lambdaFunctions": ("LambdaFunctionConfigurations", "lambdaFunctionArn", "LambdaFunctionArn"),
    }
    gone = _NO_BUCKET
    getter = "get_bucket_notification_configuration"

    def told(self, answer: Mapping[str, Any]) -> Properties:
        """Return the configuration; an id that AWS made up is not told, as the AWS provider does not compare it."""
        told: Properties = {"eventbridge": "EventBridgeConfiguration" in answer}
        for name, (group, ours, theirs) in self._RECEIVERS.items():
            own_ids = {each.get("id") for each in self.known.get(name) or ()}
            told[name] = [_listener(each, ours, theirs, own_ids) for each in answer.get(group, ())]
        return told

    def put(self, identifier: str, inputs: Mapping[str, Any]) -> None:
        """Put the configuration."""
        wanted: dict[str, Any] = {"EventBridgeConfiguration": {}} if inputs["eventbridge"] else {}
        for name, (group, ours, theirs) in self._RECEIVERS.items():
            if inputs.get(name):
                wanted[group] = [_listener_request(each, ours, theirs) for each in inputs[name]]
        self._configure(identifier, wanted)

    def remove(self, identifier: str) -> None:
        """Put an empty configuration."""
        self._configure(identifier, {})

    def _configure(self, bucket: str, wanted: Mapping[str, Any]) -> None:
        self.api.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)


def _listener_request(listener: Mapping[str, Any], ours: str, theirs: str) -> dict[str, Any]:
    wanted = {theirs: listener[ours], "Events": listener["events"]}
    if listener.get("id"):
        wanted["Id"] = listener["id"]
    filters = [
        {"Name": name, "Value": listener[key]}
        for name, key in (("prefix", "filterPrefix"), ("suffix", "filterSuffix"))
        if listener.get(key)
    ]
    if filters:
        wanted["Filter"] = {"Key": {"FilterRules": filters}}
    return wanted


def _listener(answer: Mapping[str, Any], ours: str, theirs: str, own_ids: set[str | None]) -> Properties:
    filters = {
        rule["Name"].lower(): rule["Value"] for rule in answer.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    }
    told = {
        ours: answer[theirs],
        "events": list(answer["Events"]),
        "id": answer.get("Id") if answer.get("Id") in own_ids else None,
        "filterPrefix": filters.get("prefix"),
        "filterSuffix": filters.get("suffix"),
    }
    return {name: value for name, value in told.items() if value is not None}
