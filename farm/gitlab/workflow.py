"""`workflow` of a `.gitlab-ci.yml`: for which pushes there is a pipeline at all. It looks at no job."""

from dataclasses import dataclass, field

from farm.gitlab.cases import DEFAULT, both
from farm.gitlab.merged import flat, lines
from farm.gitlab.notes import Notes
from farm.gitlab.rules import rules
from farm.gitlab.source import Line, List, Map
from farm.gitlab.when import When, joined

_SAID = ("rules", "name", "auto_cancel")


@dataclass(slots=True)
class Workflow:
    """What lets pipelines begin, the variables of all of them, and whether a newer push may end older ones."""

    when: When | None = None
    """None where nothing is said, or nothing that can be said here."""
    env: dict[str, str] = field(default_factory=dict)
    cancels: bool = True

    @property
    def changes(self) -> list[str]:
        """The files of which one has to have changed."""
        return self.when.changes if self.when else []

    def narrow(self, said: When, default: str) -> None:
        """Take from what lets a job run that for which there is no pipeline."""
        if self.when is None:
            return
        if (said.refs, said.tag_refs, said.merges) == (["*"], ["*"], True):
            if self.when.merges and not _everything(self.when):
                return
            said.line = self.when.line
        named = default in said.refs
        found = both(_named(said.refs, default), _named(self.when.refs, default))
        said.refs = [default if named and each == DEFAULT else each for each in found]
        said.tag_refs = list(both(said.tag_refs, self.when.tag_refs))
        said.merges = said.merges and self.when.merges
        said.variables = self.when.variables | said.variables


def workflow(data: Map, notes: Notes) -> Workflow:
    """Return what the file says of its pipelines; what cannot be said here is noted."""
    found = data.get("workflow")
    if not isinstance(found, Map):
        if found is not None:
            notes.add(data.lines["workflow"], "workflow", "is no mapping; left out")
        return Workflow()
    for key in sorted(set(found) - {*_SAID}):
        notes.add(found.lines[key], "workflow", f"{key} has no counterpart; left out")
    if "name" in found:
        notes.add(
            found.lines["name"], "workflow", "name is left out: a pipeline is called by its number and its commit"
        )
    made = Workflow(cancels=_cancels(found, notes))
    if "rules" not in found:
        return made
    made.when = when = When(line=found.lines["rules"])
    joined(list(rules(_plain(found["rules"], notes), "workflow", notes)), when, "workflow", notes, whole=True)
    made.env, when.env = when.env, {}
    if when.strange or not when.pushed:
        notes.add(when.line, "workflow", f"pipelines are for {when.words or 'nothing'} only; here every push has one")
        made.when = None
    elif when.merges and not _everything(when):
        message = f"pipelines are for {when.words} only; here jobs without rules of their own run with every push"
        notes.add(when.line, "workflow", message)
    elif not _everything(when):
        message = "its rules became those of each job: the image of other pushes is built, too, but never released"
        notes.add(when.line, "workflow", message)
    return made


def _everything(when: When) -> bool:
    return when.every and "*" in when.tag_refs


def _plain(said: object, notes: Notes) -> List:
    """Return the rules without what each of them is by itself: `when: always`."""
    made = List([], lines(said, Line(0)))
    for rule in flat(said):
        if isinstance(rule, Map):
            copy = Map(rule.line)
            for key, value in rule.items():
                if key == "auto_cancel":
                    notes.add(rule.lines[key], "workflow", "auto_cancel of a rule has no counterpart; left out")
                elif (key, value) != ("when", "always"):
                    copy.put(key, value, rule.lines[key])
            made.append(copy)
        else:
            made.append(rule)
    return made


def _cancels(found: Map, notes: Notes) -> bool:
    said, cancels = found.get("auto_cancel"), True
    if not isinstance(said, Map):
        if said is not None:
            notes.add(found.lines["auto_cancel"], "workflow", "this form of auto_cancel has no counterpart; left out")
        return cancels
    for key, value in said.items():
        if key == "on_new_commit" and value in ("none", "conservative", "interruptible"):
            cancels = value != "none"
            message = f"on_new_commit: {value} is what `superseded` says, see `on`; it counts for all jobs together"
            notes.add(said.lines[key], "workflow", message)
        elif (key, value) != ("on_job_failure", "none"):
            notes.add(said.lines[key], "workflow", f"{key}: {value} has no counterpart; left out")
    return cancels


def _named(refs: list[str], default: str) -> list[str]:
    """Return the refs with the default branch under one name, whichever way it is named."""
    return [DEFAULT if each == default else each for each in refs]
