"""The operator's commands: deploying the pipeline's stacks with Pulumi, to AWS or to a local cloud."""

COLLECT_EVERY = 100_000
"""Objects allocated between two looks of a command's garbage collector, which by default are 700.

What a command loads, and what a page of a table is made of, tens of thousands, lives for long enough that the collector
goes through it many times, and finds nothing: there are no cycles in it.
"""
