"""What an environment's storage is made of: bucket, table, topics and dead-letter queue."""
