"""A server on this machine that stands for whoever is told: it takes what a test's own judge takes, and can fail."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    """One request as it came; the path has its query."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"


@dataclass
class Answer:
    """What is answered to one request."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)


class Receiver(ThreadingHTTPServer):
    """Asks `judge` about each request; answers put into `answers` go out first, one a request, "hang" is none."""

    daemon_threads = True

    def __init__(self, judge: Callable[[Request], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.judge = judge
        self.answers: list[Any] = []
        self.requests: list[Request] = []
        self.open = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.path, headers, body, self.command)
        self.server.requests.append(request)
        answer = self.server.answers.pop(0) if self.server.answers else self.server.judge(request)
        if answer == "hang":
            self.server.open.wait(60)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_PUT = do_PATCH = do_POST  # noqa: N815 - http.server's own words

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def receiving(judge: Callable[[Request], Answer]) -> Iterator[Receiver]:
    """Serve until the block ends."""
    server = Receiver(judge)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.open.set()
        server.shutdown()
        thread.join()
        server.server_close()
