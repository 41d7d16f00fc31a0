"""The demo: real changes in production, seen to arrive in every target, and compared without the replicator's help."""

from pipeline_ops.demo.run import run_demo
from pipeline_ops.demo.stores import System

__all__ = ["System", "run_demo"]
