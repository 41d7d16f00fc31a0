"""The policies that people write: read, checked, and compared. What masks by them is in `replication_core.masking`."""
