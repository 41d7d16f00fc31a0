"""`python -m pipeline_ops`."""

import sys

from pipeline_ops.errors import INTERRUPTED
from pipeline_ops.terminal import tell

try:
    from pipeline_ops.cli import main  # Pulumi alone takes a second to import
except KeyboardInterrupt:
    tell("Interrupted.", err=True)
    sys.exit(INTERRUPTED)

main()
