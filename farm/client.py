"""What the command line and the hook's installer use to talk to the dispatcher. It prints nothing and decides nothing.

Answers are the JSON documents of the API (farm/api). What goes wrong is one sentence that says what to do next:
Refused when the farm says no, Unreachable when it does not answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast
from urllib.parse import quote

import httpx

from farm.connection import TIMEOUT, Connection
from farm.pieces import Pieces

SYNC = 120.0  # seconds that a comparison may take
LOOKING = 30.0  # seconds that a look into a repository may take
TRYING = 120.0  # seconds in which reporters may try one after the other
COLLECTING = 600.0  # seconds for the removal of images, which asks the registry about many

Document = dict[str, Any]


class Client(Connection):
    """The questions that one may ask a dispatcher."""

    def health(self) -> Document:
        """Return how the dispatcher and the parts behind it are; needs no token."""
        return dict(self.ask("GET", "/health", accept=(503,)))

    def config(self) -> Document:
        """Return which settings the dispatcher runs with: `file`, `since`, `problem`, `waiting`."""
        return dict(self.ask("GET", "/config"))

    def register(
        self,
        name: str,
        url: str,
        default_branch: str,
        refs: Mapping[str, str] | None,
        *,
        moved: bool = False,
        hook: bool = True,
    ) -> Document:
        """Register a repository, its present refs as the baseline; returns `name` and the `token` of its hook.

        Without `refs` the dispatcher asks the repository for them.
        """
        body = {"name": name, "url": url, "default_branch": default_branch, "moved": moved, "hook": hook}
        known = {} if refs is None else {"refs": dict(refs)}
        return dict(self.ask("POST", "/repositories", json=body | known, timeout=SYNC + TIMEOUT))

    def forget(self, repository: str, who: str) -> Document:
        """End the registration of a repository; returns `url`, whether it had a `hook`, and the `tokens` that ended."""
        return dict(self.ask("DELETE", f"/repositories/{quote(repository)}", params={"who": who}))

    def repositories(self) -> list[Document]:
        """Return the registered repositories by name."""
        return list(self.ask("GET", "/repositories"))

    def create_token(
        self, name: str, scopes: Sequence[str], who: str, *, repository: str | None = None, lasts: float | None = None
    ) -> Document:
        """Make a token with scopes and return what is known of it, with the `token` itself; `lasts` is in seconds."""
        body = {"name": name, "scopes": list(scopes), "who": who, "repository": repository, "lasts": lasts}
        return dict(self.ask("POST", "/tokens", json=body))

    def tokens(self) -> list[Document]:
        """Return the named tokens, by name, without what must stay secret."""
        return list(self.ask("GET", "/tokens"))

    def remove_token(self, name: str) -> None:
        """End a named token."""
        self.ask("DELETE", f"/tokens/{quote(name, safe='')}")

    def sync(self, repository: str) -> Document:
        """Have a repository compared with the ledger now; returns what was `found` and what `problems` there were."""
        return dict(self.ask("POST", f"/repositories/{quote(repository)}/sync", timeout=SYNC + TIMEOUT))

    def set_secret(self, repository: str, name: str, value: str, who: str, *, unprotected: bool = False) -> Document:
        """Set a secret of a repository and return what may be seen of it."""
        body = {"value": value, "unprotected": unprotected, "who": who}
        return dict(self.ask("PUT", _secret(repository, name), json=body))

    def secrets(self, repository: str) -> list[Document]:
        """Return what may be seen of a repository's secrets, by name."""
        return list(self.ask("GET", f"/repositories/{quote(repository)}/secrets"))

    def remove_secret(self, repository: str, name: str, who: str) -> Document:
        """Forget a secret of a repository; refused if there is none."""
        return dict(self.ask("DELETE", _secret(repository, name), params={"who": who}))

    def schedules(self) -> list[Document]:
        """Return what begins by the clock, by name, with its `next` times and what its `last` one started."""
        return list(self.ask("GET", "/schedules"))

    def trigger(
        self,
        repository: str,
        ref: str,
        who: str,
        *,
        variables: Mapping[str, str] | None = None,
        identity: str = "",
        wait: float = 0.0,
    ) -> Document:
        """Ask for a pipeline of a branch or tag ("": the default branch) as it is now; answers as `pushes` does."""
        body = {"repository": repository, "ref": ref, "who": who, "id": identity, "wait": wait}
        body["variables"] = dict(variables or {})
        return dict(self.ask("POST", "/pipelines", json=body, timeout=TIMEOUT + LOOKING + wait))

    def pushes(
        self,
        repository: str,
        updates: Sequence[Mapping[str, Any]],
        *,
        pusher: str = "",
        options: Sequence[str] = (),
        wait: float = 0.0,
    ) -> Document:
        """Report the ref updates of one `git push`; returns `pipelines` and the `lines` for the person who pushed."""
        body = {
            "repository": repository,
            "pusher": pusher,
            "options": list(options),
            "wait": wait,
            "updates": [dict(update) for update in updates],
        }
        return dict(self.ask("POST", "/pushes", json=body, timeout=wait + TIMEOUT))

    def pipelines(
        self,
        *,
        repository: str | None = None,
        ref: str | None = None,
        status: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Document]:
        """Return pipelines, newest first, without the jobs of their stages."""
        asked = {"repository": repository, "ref": ref, "status": status, "before": before, "limit": limit}
        params: Document = {name: value for name, value in asked.items() if value is not None}
        found: list[Document] = []
        while True:
            answer = self.answer("GET", "/pipelines", params=params)
            found += self.read(answer)
            more = answer.links.get("next")
            if more is None or len(found) >= limit:
                return found[:limit]
            params["before"] = httpx.QueryParams(more["url"].removeprefix("?"))["before"]

    def pipeline(self, number: int) -> Document:
        """Return one pipeline, and in `waiting` one sentence on why it waits, or None."""
        return dict(self.ask("GET", f"/pipelines/{number}"))

    def artifacts(self, number: int) -> list[Document]:
        """Return the artifacts of a pipeline by step: `step`, `files` (path, size), `bytes`, `expires`."""
        return list(self.ask("GET", f"/pipelines/{number}/artifacts", timeout=SYNC))

    @contextmanager
    def artifact_tar(self, number: int, step: str, told: Callable[[int], None] = lambda _: None) -> Iterator[IO[bytes]]:
        """Give the artifacts of a step as a tar to be read once; how many bytes have come is told as they come."""
        with self.stream(f"/pipelines/{number}/artifacts/{quote(step)}", timeout=SYNC) as answer:
            yield cast("IO[bytes]", Pieces(_told(answer.iter_bytes(), told)))

    def definition(self, number: int) -> Document:
        """Return the resolved `definition` of a pipeline and the `url` where its commit is."""
        return dict(self.ask("GET", f"/pipelines/{number}/definition"))

    def cancel(self, number: int, who: str) -> Document:
        """Cancel a pipeline and return it; refused when it is over or being released."""
        return dict(self.ask("POST", f"/pipelines/{number}/cancel", json={"who": who}))

    def retry(self, number: int, who: str, *, failed: bool = False) -> Document:
        """Open a finished pipeline once more and return it; refused while it runs."""
        return dict(self.ask("POST", f"/pipelines/{number}/retry", json={"who": who, "failed": failed}))

    def approve(self, number: int, who: str) -> Document:
        """Let a pull request from a fork run and return its pipeline."""
        return dict(self.ask("POST", f"/pipelines/{number}/approve", json={"who": who}))

    def releases(self, *, repository: str | None = None, tag: str | None = None) -> list[Document]:
        """Return what tags are and were, by image and name, the history of each newest first."""
        asked = {"repository": repository, "tag": tag}
        return list(self.ask("GET", "/releases", params={key: value for key, value in asked.items() if value}))

    def rollback(self, repository: str, who: str, *, tag: str = "latest", number: int | None = None) -> Document:
        """Point a tag back, by default to what it held before; the registry has it once it is `confirmed`."""
        body = {"repository": repository, "who": who, "tag": tag, "number": number}
        return dict(self.ask("POST", "/releases/rollback", json=body))

    def collect(self, who: str, *, dry_run: bool = False) -> list[Document]:
        """Remove from the registry the images that nobody needs, or only name them, and return them."""
        body = {"who": who, "dry_run": dry_run}
        return list(self.ask("POST", "/gc", json=body, timeout=COLLECTING))

    def try_reporters(self, who: str, reporter: str | None = None) -> list[Document]:
        """Have each reporter, or one, send a message; returns `name`, `ok` and `answer` of each."""
        body = {"who": who, "reporter": reporter}
        return list(self.ask("POST", "/reporters/test", json=body, timeout=TRYING))

    def workers(self) -> list[Document]:
        """Return the workers that were heard of lately, by name; `closed` says why one takes no work."""
        return list(self.ask("GET", "/workers"))

    def drain(self, name: str, who: str, *, undo: bool = False) -> list[Document]:
        """Keep a worker, or all of a host, from taking more work, or undo that; returns those that it concerns."""
        return list(self.ask("POST", f"/workers/{quote(name)}/drain", json={"who": who, "undo": undo}))

    def queues(self) -> list[Document]:
        """Return the queues by name; `consumers` are the workers that take from it, `why` says why nobody does."""
        return list(self.ask("GET", "/queues"))

    def logs(self, number: int, step: str, *, after: str = "0", wait: float = 0.0) -> Document:
        """Return the `chunks` of a step's log behind a cursor; with `wait` (seconds) it waits for the next ones."""
        params: dict[str, Any] = {"after": after, "wait": wait}
        return dict(self.ask("GET", _log(number, step), params=params, timeout=wait + TIMEOUT))

    def raw_log(self, number: int, step: str) -> Iterator[str]:
        """Give the whole log of a step in pieces, escapes and all."""
        with self.stream(_log(number, step), params={"raw": 1}) as answer:
            yield from answer.iter_text()


def _secret(repository: str, name: str) -> str:
    return f"/repositories/{quote(repository)}/secrets/{quote(name, safe='')}"


def _told(pieces: Iterator[bytes], told: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        told(len(piece))
        yield piece


def _log(number: int, step: str) -> str:
    return f"/pipelines/{number}/logs/{quote(step)}"
