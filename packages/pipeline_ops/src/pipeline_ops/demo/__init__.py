"""The demo: real changes in production, seen to arrive in every target, and compared without the replicator's help."""
