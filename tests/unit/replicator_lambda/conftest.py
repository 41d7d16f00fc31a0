"""What the functions' tests share with the library's."""

from tests.unit.replication_core.conftest import cloud, fresh_loggers

__all__ = ["cloud", "fresh_loggers"]
