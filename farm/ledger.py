"""The ledger: the durable list of pushes, in the order of each ref. It never decides what a push becomes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from farm.errors import Refused
from farm.push import Push, check_ref
from farm.record.scripts import Base
from farm.record.values import Repository, dumps

Reflogs = Mapping[str, Sequence[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A push with its pipeline's number; known when it had been reported before, by this or another source.

    The number is 0 for a ref that `ls-remote` found where the ledger knows it to be, by a pipeline that is forgotten.
    """

    number: int
    known: bool


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A repository that was registered: where it is, whether a hook reports there, which tokens ended with it."""

    name: str
    url: str
    hook: bool
    tokens: Sequence[str]


class Ledger(Base):
    """Enter pushes, list those that no dispatcher has taken up yet, and register repositories."""

    def enter(
        self, repository: str, updates: Sequence[Push], reflogs: Reflogs | None = None, clock: float | None = None
    ) -> list[Entry]:
        """Put all updates of one `git push` into the ledger, in one atomic step; to repeat it is harmless.

        A reflog is the last part of git's own list of a ref, oldest first; it settles the order. Each of its lines has
        the old id, the new one, and its place as a push's `line` says it, where that is known. The clock is what that
        of git's host says now, which may be wrong.
        """
        rows = [asdict(push) | {"options": dumps(list(push.options))} for push in updates]
        logs = {ref: [list(pair) for pair in pairs] for ref, pairs in (reflogs or {}).items()}
        answer = json.loads(self.scripts.run("enter", repository, dumps(rows), dumps(logs), clock or ""))
        if answer == "unknown":
            raise Refused(f"no repository {repository!r} is registered; run `farm hook install` for it")
        return [Entry(number, bool(known)) for number, known in answer]

    def undispatched(self, older_than: float = 0.0) -> list[int]:
        """Return the pipelines that came in more than so many seconds ago and have neither steps nor an end."""
        return [int(number) for number in self.scripts.run("undispatched", older_than)]

    def push(self, number: int) -> Push:
        """Return the push behind a pipeline."""
        fields = self.redis.hgetall(f"farm:pipeline:{number}")
        if not fields:
            raise Refused(f"there is no pipeline #{number}; `farm list` shows those that there are")
        return Push(
            id=fields["push"],
            repository=fields["repository"],
            ref=fields["ref"],
            old=fields["old"],
            new=fields["new"],
            who=fields["who"],
            options=tuple(json.loads(fields["options"])),
            source=fields["source"],
        )

    def approve(self, number: int, who: str) -> None:
        """Note who let a pull request from a fork run."""
        if not self.scripts.run("approve", number, who):
            raise Refused(f"there is no pipeline #{number}; `farm list` shows those that there are")

    def approved_by(self, number: int) -> str:
        """Return who let a pull request from a fork run, "" if nobody did."""
        return self.redis.hget(f"farm:pipeline:{number}", "approved_by") or ""

    def register(
        self,
        repository: str,
        url: str,
        default_branch: str,
        refs: Mapping[str, str],
        token_hash: str = "",
        *,
        moved: bool = False,
    ) -> Repository:
        """Register a name with its one clone URL; the refs that are there already are a baseline, no pushes.

        The same name and URL again only changes what is given anew; another URL is refused, unless it has moved there.
        """
        for ref in refs:
            check_ref(ref)
        if not repository or any(letter.isspace() for letter in repository):
            raise Refused(f"{repository!r} is no name for a repository; use letters without blanks")
        rest = (url, default_branch, token_hash, dumps(dict(refs)), int(moved))
        answer = self.scripts.run("register", repository, *rest)
        if answer != "ok":
            raise Refused(f"{repository!r} is registered with {answer}; choose another name for {url}")
        return self.repository(repository)

    def repository(self, name: str) -> Repository:
        """Return a registered repository; Refused if there is none of this name."""
        found = self._repository(name)
        if found is None:
            raise Refused(f"no repository {name!r} is registered; run `farm hook install` or `farm register` for it")
        return found

    def repositories(self) -> list[Repository]:
        """Return all registered repositories by name."""
        found = (self._repository(name) for name in sorted(self.redis.smembers("farm:repositories")))
        return [repository for repository in found if repository]  # one may be forgotten meanwhile

    def forget(self, name: str) -> Forgotten:
        """End a registration, with the repository's secrets and tokens; refused while a pipeline of it runs.

        The order of its refs and the marks of its tags stay, for the day on which it is registered again.
        """
        verdict, *rest = self.scripts.run("forget_repository", name)
        if verdict == "running":
            raise Refused(f"#{rest[0]} of {name} is not over yet; cancel it or wait, then forget {name}")
        if verdict != "ok":
            raise Refused(f"no repository {name!r} is registered, so there is nothing to forget")
        url, hook, *tokens = rest
        return Forgotten(name, url, bool(hook), tuple(tokens))

    def hook_owner(self, token_hash: str) -> str | None:
        """Return the repository whose hook has the token of this hash, None for no hook's."""
        return self.scripts.run("hook_owner", token_hash) or None

    def tips(self, name: str) -> dict[str, str]:
        """Return where each ref of a repository is, as far as the ledger knows: zeros for one that was deleted."""
        return dict(self.redis.hgetall(f"farm:tips:{name}"))

    def earlier(self, number: int) -> frozenset[str]:
        """Return the ids that a push's ref had before it, as far as is remembered, those of the baseline included."""
        return frozenset(self.scripts.run("earlier", number))

    def stood(self, number: int) -> frozenset[str]:
        """Return where the other refs of a push's repository stood when it came, and all refs at the registration."""
        return frozenset(each for each in self.scripts.run("stood", number) if set(each) != {"0"})

    def baseline(self, name: str) -> dict[str, str]:
        """Return the refs that a repository had when it was registered."""
        return dict(self.redis.hgetall(f"farm:baseline:{name}"))

    def _repository(self, name: str) -> Repository | None:
        fields = self.redis.hgetall(f"farm:repository:{name}")
        if not fields:
            return None
        return Repository(name, fields["url"], fields["default_branch"], fields["token_hash"], float(fields["created"]))
