"""Calls of AWS: how clients are configured, what fails, and what goes in batches."""
