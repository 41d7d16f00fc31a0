"""Domains of AWS itself, which no local cloud may be at."""

__all__ = ["is_aws"]

# https://docs.aws.amazon.com/general/latest/gr/rande.html
_DOMAINS = ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws", "on.aws", "aws.dev")


def is_aws(host: str) -> bool:
    """Tell whether the host is AWS's own; a name is the same in capitals, and with the root's dot at its end."""
    name = host.lower().rstrip(".")
    return any(name == domain or name.endswith(f".{domain}") for domain in _DOMAINS)
