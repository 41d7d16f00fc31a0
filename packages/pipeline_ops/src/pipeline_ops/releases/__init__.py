"""Releases of a project: what belongs to one, its version, its notes and its deployment."""
