"""The replicator measured beside the obvious design: `python -m benchmarks`, from the repository's root.

Everything that is measured is relative: calls and bytes per change, the ratio of two designs in one run, memory by
size, time by number of keys. An absolute time of one machine says nothing, and none is claimed.
"""
