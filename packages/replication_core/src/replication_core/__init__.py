"""What a replica is, and how it is kept: keys, changes, desired state, reconcile, and comparing. A library."""
