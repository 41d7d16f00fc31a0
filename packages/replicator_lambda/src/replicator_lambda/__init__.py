"""Keeps a replica of production objects and items equal to their source, one target per function."""
