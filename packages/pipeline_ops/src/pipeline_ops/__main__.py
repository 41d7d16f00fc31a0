"""`python -m pipeline_ops`."""

from pipeline_ops.cli import main

main()
