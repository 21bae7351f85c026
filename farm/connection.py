"""A connection to a dispatcher: asks over HTTP, and says in one sentence what went wrong. It knows no question."""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from farm.errors import Refused, Unreachable

TIMEOUT = 10.0  # seconds for an answer beyond the time that the dispatcher was asked to wait


class Connection:
    """One that is kept open over several questions; use it as a context manager or close it.

    Raises Refused when the farm says no, Unreachable when it does not answer.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # To read the certificates of all authorities takes longer than most answers; without TLS none is trusted.
        verify = True if self.url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, verify=verify)

    def ask(self, method: str, path: str, *, accept: Sequence[int] = (), **arguments: Any) -> Any:
        """Return the JSON that is answered; `accept` are statuses that are an answer, too."""
        return self.read(self.answer(method, path, accept=accept, **arguments))

    def answer(self, method: str, path: str, *, accept: Sequence[int] = (), **arguments: Any) -> httpx.Response:
        """Return an answer with its headers."""
        try:
            answer = self._http.request(method, path, **arguments)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error
        if answer.status_code not in accept:
            self._check(answer)
        return answer

    def read(self, answer: httpx.Response) -> Any:
        """Return the JSON of an answer."""
        try:
            return answer.json()
        except ValueError as error:
            raise Unreachable(f"what answers at {self.url} is no farm; check FARM_URL") from error

    @contextmanager
    def stream(self, path: str, *, timeout: float = TIMEOUT, **arguments: Any) -> Iterator[httpx.Response]:
        """Give an answer that is read as it comes."""
        try:
            with self._http.stream("GET", path, timeout=timeout, **arguments) as answer:
                if not answer.is_success:
                    answer.read()
                self._check(answer)
                yield answer
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        try:
            detail = answer.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = None
        sentence = detail if isinstance(detail, str) else f"the farm at {self.url} answers {answer.status_code}"
        if answer.status_code in (401, 403):
            raise Refused(f"{sentence}; set FARM_TOKEN, or run as the user whose FARM_HOME holds the token")
        if answer.is_server_error:
            raise Unreachable(sentence)
        raise Refused(sentence)

    def _unreachable(self, error: Exception) -> Unreachable:
        why = "takes too long" if isinstance(error, httpx.TimeoutException) else "does not answer"
        return Unreachable(f"the farm at {self.url} {why}; start it with `farm up`, or set FARM_URL to where it runs")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
