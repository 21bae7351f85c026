"""What one check of `farm doctor` found, and how it is shown. It checks nothing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import typer

from farm.cli import terminal

Verdict = Literal["ok", "warning", "error"]
_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `mend` is the line that puts it right."""

    name: str
    verdict: Verdict
    words: str
    mend: str | None = None

    @classmethod
    def ok(cls, name: str, words: str) -> Self:
        """Return that nothing is wrong."""
        return cls(name, "ok", words)

    @classmethod
    def warning(cls, name: str, words: str, mend: str) -> Self:
        """Return what the farm can live with."""
        return cls(name, "warning", words, mend)

    @classmethod
    def error(cls, name: str, words: str, mend: str) -> Self:
        """Return what keeps pushes from becoming images, or puts the record in danger."""
        return cls(name, "error", words, mend)

    def document(self) -> dict[str, Any]:
        """Return the JSON of one finding."""
        return asdict(self)


def lines(findings: Sequence[Finding]) -> Sequence[str]:
    """Return what a person reads."""
    wide = max(len(finding.name) for finding in findings)
    shown = []
    for finding in findings:
        verdict = f"{finding.verdict:<7}"
        if terminal.has_colour():
            verdict = typer.style(verdict, fg=_COLOURS[finding.verdict])
        shown.append(f"{verdict} {finding.name:<{wide}}  {finding.words}")
        if finding.mend:
            shown.append(f"{'':7} {'':<{wide}}  -> {finding.mend}")
    return shown
