"""A webhook on this host that counts what it is sent."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Phone(BaseHTTPRequestHandler):
    """Takes what is posted; refuses while it is told to."""

    def do_POST(self):
        """A letter."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.deaf:
            self.send_error(503)
            return
        self.server.letters.append(json.loads(body))
        self.answer()

    def do_GET(self):
        """A ping."""
        self.server.pings += 1
        self.answer()

    def answer(self):
        """All is well."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing is printed."""


@contextmanager
def listening():
    """A phone that is on; `letters` and `pings` hold what came."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Phone)
    server.letters, server.deaf, server.pings = [], False, 0
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
