"""Items and their replicas, over DynamoDB."""
