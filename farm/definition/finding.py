"""What is found amiss in the data as written, before it is known on which line that is. It looks for nothing itself."""

from collections.abc import Callable, Collection
from typing import Literal, NamedTuple

from farm.definition.tree import Loc


class Finding(NamedTuple):
    """One mistake: where in the data, what it is, and the way out.

    What it says is not there may stand in what could not be read: `lack` is "file" if only another file of the
    definition can have it, and "job" if a template of the job can, too.
    """

    loc: Loc
    message: str
    hint: str | Callable[[], str] = ""
    """The words, or what looks for them: that takes time, and of thousands of mistakes nobody reads the last hint."""
    lack: Literal["", "job", "file"] = ""

    def sure(self, lacking: Collection[Loc]) -> bool:
        """Say whether it is a mistake, whatever stands in the templates of the jobs that lack some.

        The place () is in `lacking` where another file could not be read.
        """
        if self.lack == "file":
            return () not in lacking
        shared = self.loc[:2] != ("test", "jobs")
        return not (self.lack and (below(self.loc, lacking) or (shared and lacking)))


def below(loc: Loc, places: Collection[Loc]) -> bool:
    """Return whether a place is one of some, or lies below one of them."""
    return any(loc[: len(place)] == place for place in places)
