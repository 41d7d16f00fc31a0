"""`python -m pipeline_ops`."""

import sys

from pipeline_ops.errors import INTERRUPTED
from pipeline_ops.terminal import tell

try:
    from pipeline_ops.cli import main
except KeyboardInterrupt:
    tell("Interrupted.", err=True)
    sys.exit(INTERRUPTED)

main()
