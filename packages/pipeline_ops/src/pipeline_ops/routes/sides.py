"""Both sides of a deployed route, read with the operator's own rights."""

from botocore.config import Config

from pipeline_ops.routes.route import Route, SourceRoutes
from replication_core.comparing.sides import Sides
from replication_core.objects.heads import keep_empty_expires
from replication_core.objects.listing_answers import read_listings_fast

__all__ = ["CONFIG", "THREADS", "open_sides"]

THREADS = 64
"""Calls under way at the same time: they wait for AWS most of it."""

CONFIG = Config(
    max_pool_connections=THREADS + 32,  # those that list and scan come on top
    retries={"mode": "standard", "total_max_attempts": 5},
)
"""The configuration of the clients that read both sides."""


def open_sides(replication: SourceRoutes, route: Route) -> Sides:
    """Return the route's source and target."""
    spec = route.spec
    source_s3, target_s3 = (
        replication.client("s3", region=region, config=CONFIG) for region in (spec.source_region, spec.target_region)
    )
    for client in (source_s3, target_s3):
        keep_empty_expires(client)
        read_listings_fast(client)
    return Sides(
        route=spec,
        source_s3=source_s3,
        target_s3=target_s3,
        source_dynamodb=replication.client("dynamodb", region=spec.source_region, config=CONFIG),
        target_dynamodb=replication.client("dynamodb", region=spec.target_region, config=CONFIG),
    )
