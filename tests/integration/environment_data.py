"""An environment's files, items and results, as an outsider with the AWS API sees and changes them."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from pipeline_common.contracts import ProcessingOutputs, StorageOutputs
from tests.polling import eventually

__all__ = ["EnvironmentData"]

WITHIN = 120.0
"""Seconds that a run may take on a busy two-core machine, a cold start included; on an idle one it is about three."""


class EnvironmentData:
    """One environment's bucket, table and processor."""

    def __init__(self, cloud: Any, outputs: Mapping[str, Mapping[str, Any]], environment: str) -> None:
        self.environment = environment
        self.storage = StorageOutputs.parse(outputs[f"storage/{environment}"])
        self.processing = ProcessingOutputs.parse(outputs[f"processing/{environment}"])
        self.s3 = cloud.client("s3")
        self.dynamodb = cloud.client("dynamodb")
        self.sqs = cloud.client("sqs")
        self.functions = cloud.client("lambda")

    def put(self, key: str, body: bytes, **more: Any) -> None:
        self.s3.put_object(Bucket=self.storage.bucket_name, Key=key, Body=body, **more)

    def body(self, key: str) -> bytes | None:
        try:
            answer = self.s3.get_object(Bucket=self.storage.bucket_name, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise
        return bytes(answer["Body"].read())

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.storage.bucket_name, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def json(self, key: str) -> dict[str, Any] | None:
        body = self.body(key)
        return None if body is None else dict(json.loads(body))

    def summaries(self, key: str) -> list[dict[str, Any]]:
        """The summaries of the environment's runs over a key."""
        prefix = f"results/{self.environment}/"
        runs = (name.removeprefix(prefix) for name in self.keys(prefix))
        names = [f"{prefix}{run}" for run in runs if run.endswith(".json") and "/" not in run and run != "latest.json"]
        found = [summary for name in names if (summary := self.json(name)) is not None]
        return [summary for summary in found if summary["key"] == key]

    def summary(self, key: str, **wanted: Any) -> dict[str, Any]:
        """Wait for the summary of a key, the one with these values where that is said."""

        def look() -> dict[str, Any] | None:
            matching = (one for one in self.summaries(key) if wanted.items() <= one.items())
            return next(matching, None)

        found = eventually(look, what=f"a summary of {key} in {self.environment}", within=WITHIN, every=0.5)
        assert found is not None
        return found

    def rejected(self, key: str) -> list[dict[str, Any]]:
        body = self.body(f"rejected/{key}.jsonl") or b""
        return [json.loads(line) for line in body.splitlines()]

    def item(self, id_: str, timestamp: int) -> dict[str, Any] | None:
        key = {"id": {"S": id_}, "timestamp": {"N": str(timestamp)}}
        found = self.dynamodb.get_item(TableName=self.storage.table_name, Key=key, ConsistentRead=True)
        item: dict[str, Any] | None = found.get("Item")
        return item

    def tell(self, **message: Any) -> None:
        body = json.dumps({"schema": "pipeline.processing/1", **message})
        self.sqs.send_message(QueueUrl=self.processing.queue_url, MessageBody=body)

    def invoke(self, payload: bytes) -> tuple[Any, bool]:
        """Invoke the processor by hand; return its answer, and whether that is an error."""
        answer = self.functions.invoke(FunctionName=self.processing.lambda_function_name, Payload=payload)
        return json.loads(answer["Payload"].read()), "FunctionError" in answer

    def idle(self) -> None:
        """Wait until the processor's queue is empty."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

        def empty() -> bool:
            found = self.sqs.get_queue_attributes(QueueUrl=self.processing.queue_url, AttributeNames=names)
            return all(int(count) == 0 for count in found["Attributes"].values())

        eventually(empty, what=f"the queue of {self.environment}'s processor empty", within=WITHIN)

    def dead_letters(self) -> list[dict[str, Any]]:
        """Take all dead letters of the environment."""
        letters = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.storage.dlq_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.storage.dlq_url, ReceiptHandle=message["ReceiptHandle"])
                letters.append(json.loads(message["Body"]))
        return letters
