"""Replicas kept equal to their source: keys, changes, desired state, reconcile, and comparing. A library."""
