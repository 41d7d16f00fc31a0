"""Environments, tags, and the contracts between stacks."""
