"""The fenced acts of a release on the record. The rule is in farm.release; the manifest is put by the caller."""

import json
from collections.abc import Sequence
from typing import Any, Literal

from farm import release
from farm.errors import Canceled, LeaseLost, Refused
from farm.record.scripts import Base
from farm.record.values import Claim, Intent, Tag

HISTORY = 100  # entries that the record keeps of each tag


class Releases(Base):
    """Begin and end a release, list what the tags shall be and were, roll back."""

    def release_begin(self, claim: Claim, tag: str) -> Intent:
        """Decide whether this pipeline's image may get the tag and, if so, write the intent and the high-water mark.

        Put the manifest only if `intent.go`; else commit the step as superseded with `intent.reason`. From the first
        intent on a cancel comes too late. Raises Refused when the tag belongs to another ref, LeaseLost, Canceled.
        """
        while True:
            raw = json.loads(self.scripts.run("standing", claim.number, tag))
            standing = release.Standing(**raw["standing"])
            verdict = release.decide(claim.repository, claim.ref, raw["position"], tag, standing)
            if verdict.winner is not None:
                return Intent(
                    repository=raw["image_repository"],
                    tag=tag,
                    digest=standing.digest,
                    number=claim.number,
                    owner=standing.owner,
                    winner=verdict.winner,
                    reason=verdict.reason,
                )
            answer = self.scripts.run("release_begin", claim.number, claim.step, claim.fence, tag, standing.version)
            if answer[0] == "changed":
                continue
            _judge(claim, answer[0])
            return _intent(json.loads(answer[1]))

    def owner_of(self, claim: Claim, tag: str) -> str:
        """Return the repository and ref whose releases have this tag of the claim's image, "" for none."""
        return str(json.loads(self.scripts.run("standing", claim.number, tag))["standing"]["owner"] or "")

    def release_done(self, claim: Claim, tag: str) -> bool:
        """Write down that the registry has it; False when another intent has come since."""
        answer = self.scripts.run("release_done", claim.number, claim.step, claim.fence, tag)
        _judge(claim, answer)
        return bool(answer == "ok")

    def hook(self, claim: Claim, tags: Sequence[str], *, done: bool = False) -> Literal["ok", "ran", "moved"]:
        """Say whether a hook behind the release is to run; `ran` for this very image, `moved` when no tag is ours now.

        With `done` it writes down that it has run. Raises LeaseLost, Canceled.
        """
        answer: Any = self.scripts.run("hook", claim.number, claim.step, claim.fence, int(done), *tags)
        _judge(claim, answer)
        return answer  # type: ignore[no-any-return]

    def intents(self, *, due: bool = False) -> list[Intent]:
        """List what every tag shall be, or only those whose registry is to be read again by now."""
        return [_intent(row) for row in json.loads(self.scripts.run("intents", int(due)))]

    def tag_count(self) -> int:
        """Return how many tags the farm has released."""
        return int(self.redis.zcard("farm:tags"))

    def checked(self, intent: Intent, again_in: float, *, held: bool = True) -> bool:
        """Say when to look again, and whether it holds the digest now; False when another intent has come since."""
        return bool(self.scripts.run("checked", intent.repository, intent.tag, intent.fence, again_in, int(held)))

    def drifted(self, intent: Intent, detail: str, *, lost: bool = False) -> bool:
        """Let reporters hear that the registry had something else; a lost image is told once, until it is back."""
        return bool(self.scripts.run("drifted", intent.repository, intent.tag, intent.fence, detail, int(lost)))

    def tags(self, repository: str = "", tag: str = "", *, history: int = HISTORY) -> list[Tag]:
        """Return what tags are and were, by image and name; a repository is named as in git or as in the registry."""
        rows = json.loads(self.scripts.run("releases", repository, tag, history))
        found = [
            Tag(_intent(row["intent"]), row["who"], row["kind"], [release.Released(**each) for each in row["history"]])
            for row in rows
        ]
        return sorted(found, key=lambda each: (each.intent.repository, each.intent.tag))

    def rollback(self, repository: str, tag: str, number: int | None, who: str) -> Intent:
        """Point a tag back to what a pipeline released, by default to what it held before; raises Refused.

        The mark stays where it is: only newer pushes move the tag from here. Any pipeline of the tag's history will do,
        so that a rollback can be undone.
        """
        while True:
            now = self._tag(repository, tag)
            intent = now.intent
            name = f"{intent.repository}:{tag}"
            target = number
            if target is None:
                earlier = release.before(now.history, intent.number)
                if earlier is None:
                    raise Refused(f"{name} was nothing else before #{intent.number}; `farm releases` shows what it was")
                target = earlier.number
            answer = self.scripts.run("rollback", intent.repository, tag, target, who, intent.fence)
            sentence = {
                "same": f"{name} is #{target} already; nothing was changed",
                "never": f"#{target} never released {name}; `farm releases` shows which did",
                "gone": f"the image of #{target} is gone from the registry; `farm retry {target}` builds it again",
            }.get(answer[0])
            if sentence:
                raise Refused(sentence)
            if answer[0] == "ok":
                return _intent(json.loads(answer[1]))

    def _tag(self, repository: str, tag: str) -> Tag:
        found = self.tags(repository, tag)
        if not found:
            raise Refused(f"{repository}:{tag} was never released by this farm; `farm releases` shows what was")
        if len(found) > 1:
            images = ", ".join(each.intent.repository for each in found)
            raise Refused(f"several images have a tag {tag!r}: {images}; name one of them instead of {repository!r}")
        return found[0]


def _intent(row: dict[str, object]) -> Intent:
    return Intent(**row)  # type: ignore[arg-type]


def _judge(claim: Claim, answer: str) -> None:
    if answer == "canceled":
        raise Canceled(f"#{claim.number} was canceled or superseded before its release")
    if answer == "lost":
        raise LeaseLost(f"#{claim.number} {claim.step} is no longer owned by {claim.worker}; release nothing")
    if answer == "untested":
        raise Refused(f"#{claim.number} has no built image whose tests passed; nothing was released")
