"""Resources by the engine's names, as people call them."""

__all__ = ["resource_name", "short_type"]


def resource_name(urn: str) -> str:
    """Return a resource's logical name."""
    return urn.rpartition("::")[2]


def short_type(token: str) -> str:
    """Return a resource type as people say it: `s3.Bucket` for `aws:s3/bucket:Bucket`."""
    package, _, rest = token.partition(":")
    module, _, name = rest.partition(":")
    return f"{(module.partition('/')[0] or package)}.{name}" if name else token
