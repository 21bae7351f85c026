"""One signed post to somebody's address, as Standard Webhooks has it. No redirect is followed, nothing is repeated."""

import json
from time import time
from typing import Any
from urllib.parse import urlsplit

import httpx

from farm.errors import Refused
from farm.forges.signature import sign
from farm.reporters import Later
from farm.reporters.answers import patience
from farm.reporters.signature import key_of
from farm.settings import Secret

TIMEOUT = 10.0  # seconds to connect, and between two pieces of an answer
SHOWN = 200  # bytes of an answer that are repeated to a person


class Posting:
    """One address, and the secret that signs what is posted there."""

    def __init__(self, url: str, secret: Secret) -> None:
        self.host = urlsplit(url).netloc  # paths may be secret, too
        self._url = url
        self._secret = secret
        self._http = httpx.Client(timeout=TIMEOUT, headers={"User-Agent": "farm"})

    def post(self, identity: str, content: Any) -> tuple[int, str]:
        """Return the status and the first words of the answer; raises Later where it is worth another try at all."""
        body, timestamp = json.dumps(content).encode(), str(int(time()))
        try:
            key = key_of(self._secret.reveal())
        except Refused as refusal:
            raise Later(str(refusal)) from refusal
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identity,
            "webhook-timestamp": timestamp,
            "webhook-signature": sign(key, identity, timestamp, body),
        }
        try:
            with self._http.stream("POST", self._url, content=body, headers=headers) as answer:
                words = next(answer.iter_bytes(SHOWN), b"").decode("utf-8", "replace")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Later(f"{self.host} does not answer: {error or type(error).__name__}") from error
        said = f"{answer.status_code} {' '.join(words.split())}".rstrip()
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise Later(f"{self.host} answers {said}", patience(answer.headers))
        return answer.status_code, said
