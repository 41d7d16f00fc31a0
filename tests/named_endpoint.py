"""The local cloud that the environment names for the integration tests."""

from collections.abc import Mapping

from localstack_client.config import DEFAULT_EDGE_PORT

__all__ = ["named_in"]


def named_in(environ: Mapping[str, str]) -> str | None:
    """Return what the variables name as the endpoint, as LocalStack's client reads them, or None where they name none.

    AWS_ENDPOINT_URL goes first, which AWS's own tools read, too; what it says may be AWS, which `normalize` refuses.
    LOCALSTACK_HOST is a host or `host:port`, EDGE_PORT the port where that has none, and with USE_SSL it is https.
    """
    if url := environ.get("AWS_ENDPOINT_URL", "").strip():
        return url
    host, port = environ.get("LOCALSTACK_HOST", "").strip(), environ.get("EDGE_PORT", "").strip()
    if not host and not port:
        return None
    place = host if ":" in host else f"{host or 'localhost'}:{port or DEFAULT_EDGE_PORT}"
    return f"{'https' if environ.get('USE_SSL') in {'1', 'true'} else 'http'}://{place}"
