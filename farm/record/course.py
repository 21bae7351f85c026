"""What happens to a pipeline from outside its steps: described, closed, canceled, retried, reaped, forgotten."""

import json

from farm.errors import Refused
from farm.pipeline import Status
from farm.record.scripts import Base
from farm.record.steps import step_of
from farm.record.values import Wake

NOTES = 20  # lines that a pipeline may have
LOST_LIMIT = 3  # workers that may vanish from one step before it ends `errored`


class Course(Base):
    """Describe, close, cancel, retry, reap, forget."""

    def describe(self, number: int, *, subject: str, author: str, commit: str = "", email: str = "") -> None:
        """Write down the commit's subject and author, and the commit itself where the ref holds an annotated tag."""
        self.scripts.run("describe", number, subject, author, commit, email)

    def note(self, number: int, line: str) -> None:
        """Leave a line on a pipeline for whoever looks at it, such as what a tracker would not do; each once, few."""
        self.scripts.run("note", number, line, NOTES)

    def close(self, number: int, status: Status, reason: str) -> bool:
        """End a pipeline that has no steps (a broken definition, a deleted ref); False if it has some or is over."""
        return bool(self.scripts.run("close", number, status, reason))

    def postpone(self, number: int, note: str) -> None:
        """Leave a word on why a pipeline could not be opened yet, to be shown while it waits."""
        self.scripts.run("postpone", number, note)

    def cancel(self, number: int, who: str) -> None:
        """End a pipeline by a person's word; running workers see it at their next renewal."""
        answer = self.scripts.run("cancel", number, who)
        sentence = {
            "unknown": f"there is no pipeline #{number}; `farm list` shows those that there are",
            "finished": f"#{number} is over already, so nothing was canceled; `farm retry {number}` runs it again",
            "late": f"too late: #{number} is being released; push again or roll back",
        }.get(answer)
        if sentence:
            raise Refused(sentence)

    def retry(self, number: int, who: str, *, failed: bool = False) -> tuple[Wake, ...]:
        """Open a finished pipeline once more: same number, new round, a committed build is kept.

        With `failed` every step that passed is kept. What it returns is to be published; nothing when the pipeline
        never had steps, it then waits for the dispatcher as if it had just come in.
        """
        answer = self.scripts.run("retry", number, who, int(failed), self.lease)
        sentence = {
            "unknown": f"there is no pipeline #{number}; `farm list` shows those that there are",
            "running": f"#{number} is not over yet; cancel it first or wait",
            "homeless": f"the repository of #{number} is registered no more; register it again: farm register",
            "nothing": f"nothing of #{number} is left to be tried again"
            + ("; leave --failed away to test and release it once more" if failed else ""),
        }.get(answer[0])
        if sentence:
            raise Refused(sentence)
        return _wakes(answer[1])

    def reap(self) -> list[Wake]:
        """Take what is overdue: steps of lost workers, wake-ups that nobody heard; call it every lease / 4."""
        return list(_wakes(self.scripts.run("reap", self.lease, LOST_LIMIT)))

    def hold(self, loop: str, holder: str, seconds: float) -> bool:
        """Take or prolong a dispatcher's lease on one of its loops; False while another dispatcher has it."""
        return bool(self.scripts.run("hold", loop, holder, seconds))

    def forget(self, *, days: float, keep: int) -> int:
        """Delete finished pipelines and their logs that are older than so many days or beyond the newest `keep`."""
        gone = 0
        while step := int(self.scripts.run("forget", days * 86400, keep, 100)):
            gone += step
        return gone


def _wakes(text: str) -> tuple[Wake, ...]:
    return tuple(Wake(row["number"], tuple(step_of(step) for step in row["steps"])) for row in json.loads(text))
