"""Where the designs run: one source and its targets, made anew at an endpoint."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

from botocore.config import Config

from benchmarks.counting import CallCounter
from benchmarks.latency import add_latency
from local_cloud import ANYBODY, Credentials
from local_cloud.clients import ClientFactory

__all__ = ["SOURCE", "TARGETS", "Site"]

SOURCE = "prod"
TARGETS = ("dev", "staging")
REGION = "us-east-1"


@dataclass(frozen=True)
class Site:
    """A bucket and a table per environment, named after one run, behind one endpoint."""

    endpoint: str
    key: Credentials
    run: str
    topic_arn: str

    @classmethod
    def make(cls, endpoint: str, key: Credentials = ANYBODY, environments: Sequence[str] = (SOURCE, *TARGETS)) -> Self:
        """Create the buckets, versioned, the tables, and a topic for the notifications."""
        factory = ClientFactory(endpoint, key)
        run = uuid.uuid4().hex[:8]
        topic = factory.client("sns", REGION, None).create_topic(Name=f"bench-{run}")
        site = cls(endpoint, key, run, topic["TopicArn"])
        s3, dynamodb = site.client("s3"), site.client("dynamodb")
        for environment in environments:
            bucket = site.bucket(environment)
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            dynamodb.create_table(
                TableName=site.table(environment),
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": "id", "AttributeType": "S"},
                    {"AttributeName": "timestamp", "AttributeType": "N"},
                ],
                KeySchema=[
                    {"AttributeName": "id", "KeyType": "HASH"},
                    {"AttributeName": "timestamp", "KeyType": "RANGE"},
                ],
            )
        return site

    def bucket(self, environment: str) -> str:
        """Return the environment's bucket."""
        return f"bench-{self.run}-{environment}"

    def table(self, environment: str) -> str:
        """Return the environment's table."""
        return f"bench-{self.run}-{environment}"

    def client(
        self,
        service: str,
        *,
        config: Config | None = None,
        counter: CallCounter | None = None,
        latency_seconds: float = 0.0,
    ) -> Any:
        """Return a client, counted and slowed as asked."""
        client = self._factory.client(service, REGION, config)
        if counter is not None:
            counter.watch(client)
        add_latency(client, latency_seconds)
        return client

    def as_json(self) -> Mapping[str, Any]:
        """Return what `from_json` makes this site of in another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, site: Mapping[str, Any]) -> Self:
        """Return the site that `as_json` told of."""
        return cls(**{**site, "key": Credentials(**site["key"])})

    @cached_property
    def _factory(self) -> ClientFactory:
        return ClientFactory(self.endpoint, self.key)
