"""Calls of AWS: configuration of clients, failures, batches."""
