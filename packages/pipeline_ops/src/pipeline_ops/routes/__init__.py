"""Operation of the replication's routes: their status, and the commands that mend them.

No command here writes a replica. A key is handed to its route, and the route's function reconciles it like any change.
"""

__all__ = ["KEYS_PER_SECOND"]

KEYS_PER_SECOND = 500.0
"""How fast a command puts keys into a route's queue, unless somebody asks for another pace."""
