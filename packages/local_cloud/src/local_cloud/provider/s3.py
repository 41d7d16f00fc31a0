"""S3 buckets, and what is configured on one: each a resource of its own, whose id is the bucket's name."""

from collections.abc import Mapping
from typing import Any, ClassVar

from local_cloud.provider import rules
from local_cloud.provider.naming import Naming
from local_cloud.provider.resource import (
    TAGS,
    Change,
    RefusedError,
    Resource,
    absent_is_fine,
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

    def read(self, identifier: str) -> Properties | None:
        """Read the bucket and its tags."""
        if found(self.api.head_bucket, *_NO_BUCKET, Bucket=identifier) is None:
            return None
        tags = found(self.api.get_bucket_tagging, "NoSuchTagSet", Bucket=identifier)
        return {
            "bucket": identifier,
            "tags": tag_map(tags["TagSet"] if tags else []),
            "arn": f"arn:aws:s3:::{identifier}",
            "bucketDomainName": f"{identifier}.s3.amazonaws.com",
            "bucketRegion": self.region,
            "bucketRegionalDomainName": f"{identifier}.s3.{self.region}.amazonaws.com",
        }

    def update(self, identifier: str, change: Change) -> None:
        """Put the tags; `forceDestroy` is only recorded."""
        if change.touches("tags"):
            self.api.delete_bucket_tagging(Bucket=identifier)
            self.complete(identifier, change.news)

    def delete(self, identifier: str) -> None:
        """Delete the bucket, with `forceDestroy` every version in it first."""
        with absent_is_fine(*_NO_BUCKET):
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


class BucketVersioning(Resource):
    """Whether a bucket keeps the versions of its objects."""

    type_name = "aws:s3/bucketVersioning:BucketVersioning"
    service = "s3"
    properties: ClassVar = {
        "bucket": _BUCKET,
        "versioningConfiguration": Property(
            kind=Block({"status": Property(kind=Text(("Enabled", "Suspended", "Disabled")), required=True)}),
            required=True,
        ),
    }

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the configuration; Disabled is what a new bucket is."""
        if inputs["versioningConfiguration"]["status"] != "Disabled":
            self._put(inputs["bucket"], inputs["versioningConfiguration"]["status"])
        return str(inputs["bucket"])

    def read(self, identifier: str) -> Properties | None:
        """Read the configuration; a bucket where it was never set is Disabled."""
        answer = found(self.api.get_bucket_versioning, *_NO_BUCKET, Bucket=identifier)
        if answer is None:
            return None
        return {"bucket": identifier, "versioningConfiguration": {"status": answer.get("Status", "Disabled")}}

    def update(self, identifier: str, change: Change) -> None:
        """Put the configuration.

        What was on can only be suspended: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
        """
        status = change.news["versioningConfiguration"]["status"]
        if status == "Disabled":
            raise RefusedError(f"the versioning of {identifier} was on: AWS can suspend it, not disable it")
        self._put(identifier, status)

    def delete(self, identifier: str) -> None:
        """Suspend the versioning, as the AWS provider does."""
        if self.known["versioningConfiguration"]["status"] == "Enabled":
            with absent_is_fine(*_NO_BUCKET):
                self._put(identifier, "Suspended")

    def _put(self, bucket: str, status: str) -> None:
        self.api.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


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


class BucketLifecycleConfiguration(Resource):
    """When a bucket's objects, versions and incomplete uploads go."""

    type_name = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    service = "s3"
    properties: ClassVar = {
        "bucket": _BUCKET,
        # 1,000 rules: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
        "rules": Property(kind=ListOf(_LIFECYCLE_RULE, most=1000), required=True),
    }

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the rules."""
        self._put(inputs["bucket"], inputs["rules"])
        return str(inputs["bucket"])

    def read(self, identifier: str) -> Properties | None:
        """Read the rules."""
        answer = found(
            self.api.get_bucket_lifecycle_configuration, *_NO_BUCKET, "NoSuchLifecycleConfiguration", Bucket=identifier
        )
        if answer is None:
            return None
        return {"bucket": identifier, "rules": [_lifecycle_rule(rule) for rule in answer["Rules"]]}

    def update(self, identifier: str, change: Change) -> None:
        """Put the rules, all of them, as the API wants them."""
        self._put(identifier, change.news["rules"])

    def delete(self, identifier: str) -> None:
        """Remove the rules."""
        with absent_is_fine(*_NO_BUCKET):
            self.api.delete_bucket_lifecycle(Bucket=identifier)

    def _put(self, bucket: str, rules_: list[Properties]) -> None:
        wanted = [_lifecycle_request(rule) for rule in rules_]
        self.api.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": wanted})


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


class BucketPublicAccessBlock(Resource):
    """What of public access a bucket refuses."""

    type_name = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    service = "s3"
    properties: ClassVar = {
        "bucket": _BUCKET,
        "blockPublicAcls": Property(kind=Flag(), default=False),
        "blockPublicPolicy": Property(kind=Flag(), default=False),
        "ignorePublicAcls": Property(kind=Flag(), default=False),
        "restrictPublicBuckets": Property(kind=Flag(), default=False),
    }

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put all four settings."""
        self._put(inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def read(self, identifier: str) -> Properties | None:
        """Read the settings."""
        answer = found(
            self.api.get_public_access_block, *_NO_BUCKET, "NoSuchPublicAccessBlockConfiguration", Bucket=identifier
        )
        if answer is None:
            return None
        return {"bucket": identifier, **camel(answer["PublicAccessBlockConfiguration"])}

    def update(self, identifier: str, change: Change) -> None:
        """Put all four settings."""
        self._put(identifier, change.news)

    def delete(self, identifier: str) -> None:
        """Remove the settings."""
        with absent_is_fine(*_NO_BUCKET):
            self.api.delete_public_access_block(Bucket=identifier)

    def _put(self, bucket: str, inputs: Mapping[str, Any]) -> None:
        settings = pascal({name: inputs[name] for name in self.properties if name != "bucket"})
        self.api.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=settings)


class BucketOwnershipControls(Resource):
    """Who owns the objects that others write to a bucket."""

    type_name = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    service = "s3"
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

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the rule."""
        self._put(inputs["bucket"], inputs["rule"])
        return str(inputs["bucket"])

    def read(self, identifier: str) -> Properties | None:
        """Read the rule."""
        answer = found(
            self.api.get_bucket_ownership_controls, *_NO_BUCKET, "OwnershipControlsNotFoundError", Bucket=identifier
        )
        if answer is None:
            return None
        return {"bucket": identifier, "rule": camel(answer["OwnershipControls"]["Rules"][0])}

    def update(self, identifier: str, change: Change) -> None:
        """Put the rule."""
        self._put(identifier, change.news["rule"])

    def delete(self, identifier: str) -> None:
        """Remove the rule."""
        with absent_is_fine(*_NO_BUCKET, "OwnershipControlsNotFoundError"):
            self.api.delete_bucket_ownership_controls(Bucket=identifier)

    def _put(self, bucket: str, rule: Mapping[str, Any]) -> None:
        self.api.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [pascal(rule)]})


class BucketServerSideEncryptionConfiguration(Resource):
    """How a bucket encrypts what is put without saying how."""

    type_name = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    service = "s3"
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

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the rule."""
        self._put(inputs["bucket"], inputs["rules"])
        return str(inputs["bucket"])

    def read(self, identifier: str) -> Properties | None:
        """Read the rule."""
        answer = found(
            self.api.get_bucket_encryption,
            *_NO_BUCKET,
            "ServerSideEncryptionConfigurationNotFoundError",
            Bucket=identifier,
        )
        if answer is None:
            return None
        told = [_encryption_rule(rule) for rule in answer["ServerSideEncryptionConfiguration"]["Rules"]]
        return {"bucket": identifier, "rules": told}

    def update(self, identifier: str, change: Change) -> None:
        """Put the rule."""
        self._put(identifier, change.news["rules"])

    def delete(self, identifier: str) -> None:
        """Go back to what every bucket has."""
        with absent_is_fine(*_NO_BUCKET):
            self.api.delete_bucket_encryption(Bucket=identifier)

    def _put(self, bucket: str, rules_: list[Properties]) -> None:
        wanted = [_encryption_request(rule) for rule in rules_]
        self.api.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": wanted})


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


class BucketPolicy(Resource):
    """Who may do what with a bucket."""

    type_name = "aws:s3/bucketPolicy:BucketPolicy"
    service = "s3"
    properties: ClassVar = {
        "bucket": _BUCKET,
        # 20 KB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html
        "policy": Property(
            kind=Document(), required=True, rules=(rules.utf8_bytes_at_most(20 * 1024, "the bucket policy"),)
        ),
    }

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the policy."""
        self.api.put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])
        return str(inputs["bucket"])

    def read(self, identifier: str) -> Properties | None:
        """Read the policy."""
        answer = found(self.api.get_bucket_policy, *_NO_BUCKET, "NoSuchBucketPolicy", Bucket=identifier)
        return None if answer is None else {"bucket": identifier, "policy": answer["Policy"]}

    def update(self, identifier: str, change: Change) -> None:
        """Put the policy."""
        self.api.put_bucket_policy(Bucket=identifier, Policy=change.news["policy"])

    def delete(self, identifier: str) -> None:
        """Remove the policy."""
        with absent_is_fine(*_NO_BUCKET):
            self.api.delete_bucket_policy(Bucket=identifier)


def _listeners(receiver: str, *, required: bool) -> Property:
    block = {
        "id": Property(kind=Text()),
        "events": Property(kind=ListOf(Text()), required=True),
        "filterPrefix": Property(kind=Text()),
        "filterSuffix": Property(kind=Text()),
        receiver: Property(kind=Text(), required=required),
    }
    return Property(kind=ListOf(Block(block)))


class BucketNotification(Resource):
    """Whom a bucket tells of its events. A bucket has one of these."""

    type_name = "aws:s3/bucketNotification:BucketNotification"
    service = "s3"
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

    def create(self, inputs: Mapping[str, Any]) -> str:
        """Put the configuration."""
        self._put(inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def read(self, identifier: str) -> Properties | None:
        """Read the configuration; an id that AWS made up is not told, as the AWS provider does not compare it."""
        answer = found(self.api.get_bucket_notification_configuration, *_NO_BUCKET, Bucket=identifier)
        if answer is None:
            return None
        told: Properties = {"bucket": identifier, "eventbridge": "EventBridgeConfiguration" in answer}
        for name, (group, ours, theirs) in self._RECEIVERS.items():
            own_ids = {each.get("id") for each in self.known.get(name) or ()}
            told[name] = [_listener(each, ours, theirs, own_ids) for each in answer.get(group, ())]
        return told

    def update(self, identifier: str, change: Change) -> None:
        """Put the configuration, all of it, as the API wants it."""
        self._put(identifier, change.news)

    def delete(self, identifier: str) -> None:
        """Put an empty configuration."""
        with absent_is_fine(*_NO_BUCKET):
            self.api.put_bucket_notification_configuration(Bucket=identifier, NotificationConfiguration={})

    def _put(self, bucket: str, inputs: Mapping[str, Any]) -> None:
        wanted: dict[str, Any] = {"EventBridgeConfiguration": {}} if inputs["eventbridge"] else {}
        for name, (group, ours, theirs) in self._RECEIVERS.items():
            if inputs.get(name):
                wanted[group] = [_listener_request(each, ours, theirs) for each in inputs[name]]
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
