"""A proxy in front of an S3 server that answers errors for a while, as storages do at times."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class FailingProxy(ThreadingHTTPServer):
    """Passes requests on; `fail` makes it answer a status instead, for some seconds.

    `methods`: those that fail. `failed`: how many requests did.
    """

    daemon_threads = True  # connections are kept open by their clients
    block_on_close = False

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target).netloc
        self.failed = 0
        self._status, self._until, self._methods = 503, 0.0, frozenset[str]()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fail(self, status: int, seconds: float, *methods: str) -> None:
        """Answer with `status` from now on, for so many seconds."""
        self._status, self._methods = status, frozenset(methods)
        self._until = time.monotonic() + seconds

    def status_for(self, method: str) -> int:
        """The status to answer with; 0: pass it on."""
        is_failing = time.monotonic() < self._until
        return self._status if is_failing and method in self._methods else 0


@contextlib.contextmanager
def failing_proxy(target: str) -> Iterator[FailingProxy]:
    """The proxy, serving."""
    with FailingProxy(target) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


_OF_THE_WAY = ("transfer-encoding", "connection", "content-length", "expect")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FailingProxy

    def _handle(self) -> None:
        body = b"".join(self._read_body())
        if status := self.server.status_for(self.command):
            self.server.failed += 1
            self._answer(status, [("Content-Length", "0")], b"")
            return
        connection = http.client.HTTPConnection(self.server.target)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _OF_THE_WAY}
        headers["Content-Length"] = str(len(body))
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        self._answer(answer.status, answer.getheaders(), answer.read())
        connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle

    def _read_body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _OF_THE_WAY or name.lower() == "content-length":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
