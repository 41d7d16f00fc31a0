"""Objects and their replicas, over S3."""
