"""What is wrong in farm.yml, or in a variable, and where. It finds none of it."""

from collections.abc import Sequence

from farm.definition.mistakes import Mistake
from farm.errors import Refused


class SettingsError(Refused):
    """The settings cannot be used. It holds every mistake that was found in the file, in its order."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))

    def __reduce__(self) -> tuple[type["SettingsError"], tuple[tuple[Mistake, ...]]]:
        return type(self), (self.mistakes,)
