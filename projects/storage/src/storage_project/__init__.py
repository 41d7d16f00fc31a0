"""What an environment's storage is made of: buckets, tables, topics and dead-letter queue."""
