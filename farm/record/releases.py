"""The fenced acts of a release on the record. The rule is in farm.release; the manifest is put by the caller."""

import json

from farm import release
from farm.errors import Canceled, LeaseLost, Refused
from farm.record.scripts import Base
from farm.record.values import Claim, Intent


class Releases(Base):
    """Begin and end a release, list what the tags shall be, roll back."""

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

    def release_done(self, claim: Claim, tag: str) -> bool:
        """Write down that the registry has it; False when another intent has come since."""
        answer = self.scripts.run("release_done", claim.number, claim.step, claim.fence, tag)
        _judge(claim, answer)
        return bool(answer == "ok")

    def intents(self, *, due: bool = False) -> list[Intent]:
        """List what every tag shall be, or only those whose registry is to be read again by now."""
        return [_intent(row) for row in json.loads(self.scripts.run("intents", int(due)))]

    def checked(self, intent: Intent, again_in: float, *, held: bool = True) -> bool:
        """Say when to look again, and whether it holds the digest now; False when another intent has come since."""
        return bool(self.scripts.run("checked", intent.repository, intent.tag, intent.fence, again_in, int(held)))

    def rollback(self, image_repository: str, tag: str, number: int, who: str) -> Intent:
        """Point a tag back to what an older pipeline released; the mark stays, only newer pushes move it."""
        answer = self.scripts.run("rollback", image_repository, tag, number, who)
        sentence = {
            "unknown": f"{image_repository}:{tag} was never released by this farm; `farm releases` shows what was",
            "never": f"#{number} never released {image_repository}:{tag}; `farm releases` shows which did",
        }.get(answer[0])
        if sentence:
            raise Refused(sentence)
        return _intent(json.loads(answer[1]))


def _intent(row: dict[str, object]) -> Intent:
    return Intent(**row)  # type: ignore[arg-type]


def _judge(claim: Claim, answer: str) -> None:
    if answer == "canceled":
        raise Canceled(f"#{claim.number} was canceled before its release")
    if answer == "lost":
        raise LeaseLost(f"#{claim.number} {claim.step} is no longer owned by {claim.worker}; release nothing")
    if answer == "untested":
        raise Refused(f"#{claim.number} has no built image whose tests passed; nothing was released")
