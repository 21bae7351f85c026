"""The rota: people, shifts and who does what. It knows the rules and the tables, and nothing of the web."""

from dataclasses import asdict, dataclass, field
from datetime import datetime

from thyme.store import Store


class NotPossible(Exception):
    """A wish that the rota cannot grant; the text is for the person who had it."""

    def __init__(self, message: str, code: int = 409):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Person:
    id: int
    name: str
    likes: str
    hours: float = 0

    def document(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Shift:
    id: int
    title: str
    place: str
    starts: str
    ends: str
    places: int
    people: list[str] = field(default_factory=list)

    @property
    def free(self) -> int:
        return self.places - len(self.people)

    @property
    def hours(self) -> float:
        return hours_between(self.starts, self.ends)

    def document(self) -> dict:
        return {**asdict(self), "free": self.free, "hours": self.hours}


def hours_between(starts: str, ends: str) -> float:
    """Return the length of a shift; both ends are local times such as 2026-05-02T09:30."""
    return (datetime.fromisoformat(ends) - datetime.fromisoformat(starts)).total_seconds() / 3600


class Rota:
    """What can be asked of the rota and done to it, on one connection."""

    def __init__(self, store: Store):
        self.store = store

    def shifts(self) -> list[Shift]:
        names: dict[int, list[str]] = {}
        for shift, name in self.store.all(
            "SELECT s.shift, p.name FROM signups s JOIN people p ON p.id = s.person ORDER BY p.name"
        ):
            names.setdefault(shift, []).append(name)
        rows = self.store.all("SELECT id, title, place, starts, ends, places FROM shifts ORDER BY starts, id")
        return [Shift(*row, people=names.get(row[0], [])) for row in rows]

    def people(self) -> list[Person]:
        hours: dict[int, float] = {}
        for person, starts, ends in self.store.all(
            "SELECT g.person, s.starts, s.ends FROM signups g JOIN shifts s ON s.id = g.shift"
        ):
            hours[person] = hours.get(person, 0) + hours_between(starts, ends)
        rows = self.store.all("SELECT id, name, likes FROM people ORDER BY name")
        return [Person(*row, hours=hours.get(row[0], 0)) for row in rows]

    def join(self, name: str, likes: str = "") -> Person:
        name = " ".join(str(name).split())
        if not 0 < len(name) <= 60:
            raise NotPossible("A name has 1 to 60 letters.", 422)
        with self.store.transaction():
            if self.store.all("SELECT id FROM people WHERE name = %s", name):
                raise NotPossible(f"{name} is here already.")
            ((number,),) = self.store.all("INSERT INTO people (name, likes) VALUES (%s, %s) RETURNING id", name, likes)
        return Person(number, name, likes)

    def plan(self, title: str, place: str, starts: str, ends: str, places: int) -> Shift:
        if starts >= ends:
            raise NotPossible("A shift ends after it starts.", 422)
        with self.store.transaction():
            ((number,),) = self.store.all(
                "INSERT INTO shifts (title, place, starts, ends, places) VALUES (%s, %s, %s, %s, %s) RETURNING id",
                *(title, place, starts, ends, places),
            )
        return Shift(number, title, place, starts, ends, places)

    def sign_up(self, shift: int, person: int) -> Shift:
        """Put a person down for a shift, if there is a place left and nothing else at that time."""
        with self.store.transaction():
            # Locks the row, so that two people cannot take the last place together.
            self.store.all("UPDATE shifts SET places = places WHERE id = %s", shift)
            wanted = next((each for each in self.shifts() if each.id == shift), None)
            name = next((each.name for each in self.people() if each.id == person), None)
            if wanted is None or name is None:
                raise NotPossible("There is no such shift or no such person.", 404)
            if name in wanted.people:
                raise NotPossible(f"{name} is down for this shift already.")
            if not wanted.free:
                raise NotPossible(f"“{wanted.title}” is full.")
            for other in self.shifts():
                if name in other.people and other.starts < wanted.ends and wanted.starts < other.ends:
                    raise NotPossible(f"{name} helps with “{other.title}” at that time.")
            self.store.all("INSERT INTO signups (shift, person) VALUES (%s, %s)", shift, person)
        return next(each for each in self.shifts() if each.id == shift)
