"""A process that serves bulk files as the venue does: ranges, checksums, and failures on request.

Prints its port; `requests.log` in the folder gets a line `path range status bytes` per request.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(sys.argv[1])


class Handler(BaseHTTPRequestHandler):
    """`.cut` beside a file: the next answer ends after so many bytes; `.fail`: the next is 503."""

    def do_GET(self):
        """Serve a file, or what is left of it."""
        path = ROOT / self.path.lstrip("/")
        cut, fail = path.with_name(path.name + ".cut"), path.with_name(path.name + ".fail")
        asked = self.headers.get("Range")
        if fail.exists():
            fail.unlink()
            self.send_error(503)
            self.note(asked, 503, 0)
            return
        if not path.is_file():
            self.send_error(404)
            self.note(asked, 404, 0)
            return
        body = path.read_bytes()
        first = 0 if asked is None else int(asked.removeprefix("bytes=").removesuffix("-"))
        if asked is not None and first >= len(body):
            self.send_error(416)
            self.note(asked, 416, 0)
            return
        status = 200 if asked is None else 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) - first))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        part = body[first:]
        if cut.exists():
            part = part[: int(cut.read_text())]
            cut.unlink()
        self.note(asked, status, len(part))
        self.wfile.write(part)
        self.close_connection = True

    def note(self, asked, status, size):
        """Say what was served."""
        with (ROOT / "requests.log").open("a") as file:
            file.write(f"{self.path.rsplit('/', 1)[-1]} {asked} {status} {size}\n")

    def log_message(self, *_):
        """Say nothing on standard error."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
