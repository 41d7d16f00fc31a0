"""Comparison of replicas with their source: from outside, key by key, without writing anything.

A first pass goes over the stores as they are listed, and suspects whatever differs. Since both sides change while it
looks, a suspect is looked at a second time, once the route has worked off what it had: only what then still differs
from an unchanged source is drift.
"""
