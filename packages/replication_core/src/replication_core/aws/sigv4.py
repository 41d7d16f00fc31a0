"""Signature version 4 of requests without a body, as botocore makes it for S3."""

import hashlib
import hmac
from collections.abc import Mapping

from botocore.credentials import ReadOnlyCredentials

__all__ = ["signed"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_NO_BODY = hashlib.sha256().hexdigest()


def signed(
    credentials: ReadOnlyCredentials,
    scope: tuple[str, str],
    stamp: str,
    request: tuple[str, str, str],
    headers: Mapping[str, str],
) -> Mapping[str, str]:
    """Return these headers, whose names are in small letters, and those that sign them and the request.

    The scope is the region and the service, the stamp the time as in 20260101T000000Z, the request its method, path and
    query: percent-encoded, the query's parts sorted.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    method, path, query = request
    with_values = "&".join(part if "=" in part else f"{part}=" for part in query.split("&") if part)
    all_headers = {**headers, "x-amz-content-sha256": _NO_BODY, "x-amz-date": stamp}
    if credentials.token:
        all_headers["x-amz-security-token"] = credentials.token
    lines = [f"{name}:{' '.join(all_headers[name].split())}" for name in sorted(all_headers)]
    names = ";".join(sorted(all_headers))
    canonical = "\n".join((method, path, with_values, *lines, "", names, _NO_BODY))
    parts = (stamp[:8], *scope, "aws4_request")
    to_sign = "\n".join((_ALGORITHM, stamp, "/".join(parts), hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (*parts, to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"Credential={credentials.access_key}/{'/'.join(parts)}"
    authorization = f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={key.hex()}"
    return {**all_headers, "authorization": authorization}
