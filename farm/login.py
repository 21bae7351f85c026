"""How a registry is told who asks: by password, or by the token that its answer sends one for. It knows no registry."""

from collections.abc import Callable, Generator
from urllib.request import parse_http_list, parse_keqv_list

import httpx

Login = Callable[[], tuple[str, str] | None]
"""Gives user and password, or None for nobody; it is asked each time that the registry wants them anew."""


def nobody() -> None:
    """Log in as nobody."""


class Auth(httpx.Auth):
    """The token dance of the distribution specification: a refused request is repeated with what it asks for."""

    requires_response_body = True

    def __init__(self, login: Login) -> None:
        self._login = login
        self._header: dict[str, str] = {}

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send with the last header that worked; when refused, get a new one as the answer says."""
        scope = _scope(request)
        if header := self._header.get(scope):
            request.headers["Authorization"] = header
        answer = yield request
        kind, _, rest = answer.headers.get("www-authenticate", "").partition(" ")
        if answer.status_code != httpx.codes.UNAUTHORIZED:
            return
        login = self._login()
        basic = httpx.BasicAuth(*login) if login else None
        if kind.lower() == "bearer":
            wanted = _wanted(rest)
            if "realm" not in wanted:
                return
            ask = httpx.Request(
                "GET", wanted["realm"], params={k: wanted[k] for k in ("service", "scope") if k in wanted}
            )
            if basic:
                ask = next(basic.sync_auth_flow(ask))
            given = yield ask
            token = _token(given)
            if token is None:
                return
            self._header[scope] = f"Bearer {token}"
        elif kind.lower() == "basic" and basic:
            self._header[scope] = next(basic.sync_auth_flow(httpx.Request("GET", "http://x"))).headers["Authorization"]
        else:
            return
        request.headers["Authorization"] = self._header[scope]
        yield request


def _wanted(words: str) -> dict[str, str]:
    """Return what a challenge says, nothing for one that nobody can read."""
    try:
        return parse_keqv_list(parse_http_list(words))
    except ValueError:
        return {}


def _token(answer: httpx.Response) -> str | None:
    """Return the token that was given, None where there is none in the answer."""
    try:
        given = {} if answer.is_error else answer.json()
    except ValueError:
        return None
    return given.get("token") or given.get("access_token") if isinstance(given, dict) else None


def _scope(request: httpx.Request) -> str:
    """Tell apart what needs tokens of different reach: the repository, and reading from writing."""
    verb = "read" if request.method in ("GET", "HEAD") else "write"
    return f"{request.url.path.partition('/manifests/')[0].partition('/tags/')[0]} {verb}"
