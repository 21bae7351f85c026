"""What the client makes of answers, good and strange."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from farm.client import Client
from farm.errors import Refused, Unreachable


class Server(ThreadingHTTPServer):
    """Gives one answer to everything."""

    answer: tuple[int, bytes] = (200, b"{}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((502, b"<html>Bad Gateway"), Unreachable, "answers 502"),
        ((200, b"<html>a captive portal"), Unreachable, "no farm"),
        ((503, json.dumps({"detail": "Redis is full"}).encode()), Unreachable, "Redis is full"),
        ((404, json.dumps({"detail": "there is no pipeline #9"}).encode()), Refused, "no pipeline #9"),
        ((404, b"[]"), Refused, "answers 404"),
        ((422, json.dumps({"detail": [{"loc": []}]}).encode()), Refused, "answers 422"),
        ((401, json.dumps({"detail": "send the farm's token"}).encode()), Refused, "FARM_TOKEN"),
    ],
)
def test_every_answer_is_a_sentence(
    server: Server, answer: tuple[int, bytes], error: type[Exception], words: str
) -> None:
    server.answer = answer
    with Client(server.url, "token") as client, pytest.raises(error, match=words):
        client.pipeline(9)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "http://[", "http://127.0.0.1:99999", ""])
def test_an_address_where_nobody_is(url: str) -> None:
    with pytest.raises(Unreachable, match="FARM_URL"), Client(url, "token") as client:
        client.pipelines()
