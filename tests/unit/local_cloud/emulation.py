"""A stand-in for the emulator's Python: it answers health checks, and has a worker as the emulator has them."""

import sys
from pathlib import Path

__all__ = ["fake_python"]

_SERVER = """
import http.server, os, subprocess, sys
# It does not end by itself when the server does, but at last after a minute.
worker = subprocess.Popen([sys.executable, "-c", "import signal; signal.alarm(60); signal.pause()"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"services": {}, "worker": %d, "pid": %d}' % (worker.pid, os.getpid())
        self.send_response(200 if self.path == "/_ministack/health" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["GATEWAY_PORT"])), Handler).serve_forever()
"""


def fake_python(folder: Path, program: str = _SERVER) -> Path:
    """Write an executable into the folder that runs `program`, whatever it is told to run."""
    (folder / "program.py").write_text(program)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder / "program.py"}"\n')
    python.chmod(0o755)
    return python
