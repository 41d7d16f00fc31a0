"""The Pulumi CLI, wherever it can be had: on PATH, in the user's cache, as the official release, or built here."""

from pipeline_ops.pulumi_cli.obtain import PULUMI_VERSION, ensure

__all__ = ["PULUMI_VERSION", "ensure"]
