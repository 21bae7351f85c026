"""What Cobertura XML files say of the lines that tests have run. It reads the root alone and opens nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workers import markup


@dataclass(frozen=True, slots=True)
class Coverage:
    """Lines that can run, and those that did."""

    covered: int
    valid: int

    @property
    def percent(self) -> float:
        """How many of a hundred lines have run; of none all have."""
        return round(100 * self.covered / self.valid, 2) if self.valid else 100.0

    def document(self) -> dict[str, Any]:
        """Return what the record keeps."""
        return {"percent": self.percent, "covered": self.covered, "valid": self.valid}


def read(files: Iterable[bytes]) -> Coverage:
    """Sum up the files; ValueError for one that is no Cobertura XML."""
    covered = valid = 0
    for file in files:
        root = _root(file)
        try:
            own = int(root["lines-covered"]), int(root["lines-valid"])
        except (KeyError, ValueError):
            raise ValueError("its root has no lines-covered and lines-valid") from None
        if not 0 <= own[0] <= own[1]:
            raise ValueError(f"{own[0]} of {own[1]} lines cannot be covered")
        covered, valid = covered + own[0], valid + own[1]
    return Coverage(covered, valid)


class _Enough(Exception):
    """The root was read."""


def _root(file: bytes) -> Mapping[str, str]:
    """Return the attributes of the root element `coverage`; what comes behind it is not looked at."""
    found: dict[str, str] = {}

    def start(name: str, attributes: dict[str, str]) -> None:
        if name != "coverage":
            raise ValueError(f"its root is {name[:60]!r}, not 'coverage'")
        found.update(attributes)
        raise _Enough

    try:
        markup.walk(file, start)
    except _Enough:
        return found
    raise ValueError("it has no root")
