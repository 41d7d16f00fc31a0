"""Makes the projects' modules importable, as they are for their programs."""

import sys

from tests.infra.recording import ROOT

for project in ("storage", "processing", "replication"):
    sys.path.append(str(ROOT / "projects" / project))
