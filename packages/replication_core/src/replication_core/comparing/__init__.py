"""Comparison of replicas with their source, key by key: see docs/architecture.md, "How verify tells drift from lag"."""
