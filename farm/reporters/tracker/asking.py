"""One tracker's HTTP door: asks, and says in a sentence why something was not done. It knows no stories."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from farm.errors import Refused
from farm.reporters import Later
from farm.reporters.answers import patience
from farm.reporters.posting import SHOWN, TIMEOUT
from farm.reporters.tracker import Unheard


class Asking:
    """Asks below one address, with headers that are made for each request so that a changed secret counts at once."""

    def __init__(self, home: str, headers: Callable[[], Mapping[str, str]]) -> None:
        self.host = urlsplit(home).netloc
        self._home = home
        self._headers = headers
        self._http = httpx.Client(timeout=TIMEOUT, headers={"User-Agent": "farm"})

    def ask(self, method: str, path: str, document: Mapping[str, Any] | None = None, *, about: str) -> Any:
        """Return the JSON that is answered, None where there is none; `about` names the story in the sentences.

        Raises Later while the tracker is away, Unheard when it does not do that.
        """
        try:
            headers = self._headers()
        except Refused as refusal:
            raise Later(str(refusal)) from refusal
        try:
            answer = self._http.request(method, f"{self._home}{path}", json=document, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Later(f"{self.host} does not answer: {error or type(error).__name__}") from error
        if answer.is_success:
            return _content(answer)
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise Later(f"{self.host} answers {answer.status_code}", patience(answer.headers))
        raise Unheard(self._why(answer, about))

    def _why(self, answer: httpx.Response, about: str) -> str:
        words = " ".join(answer.text.split())[:SHOWN]
        match answer.status_code:
            case httpx.codes.UNAUTHORIZED | httpx.codes.FORBIDDEN:
                return f"{self.host} does not let the farm touch {about}: give its token the right to, in the settings"
            case httpx.codes.NOT_FOUND | httpx.codes.GONE:
                return f"{self.host} knows no {about}: look at the number in the commit's message"
        return f"{self.host} refuses to touch {about}: {answer.status_code} {words}".rstrip()


def _content(answer: httpx.Response) -> Any:
    try:
        return answer.json() if answer.content else None
    except ValueError:
        return None
