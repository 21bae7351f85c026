"""A GitLab job that tests as a job of the farm's test stage. Jobs that build or push images are not for it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farm.definition.names import is_image
from farm.gitlab import docker, secret
from farm.gitlab.kept import kept
from farm.gitlab.merged import flat
from farm.gitlab.notes import Notes
from farm.gitlab.outcomes import outcomes
from farm.gitlab.services import services
from farm.gitlab.source import NUMBER, Line, Map, Text
from farm.gitlab.words import SOURCE, command, expand, names, predefined

_BASH = re.compile(r"\[\[ |(?:^|\s)source |<<<|\bpushd\b|\$\{\w+(?:,,|\^\^)|\bpipefail\b|=\(")
_LABEL = re.compile(r"[^a-z0-9_.-]+")
_RUNNERS = ("GIT_", "FF_", "CI_", "CACHE_", "SECURE_", "SAST_")
_ENGINES = "DOCKER_"
_PROXY = re.compile(r"\$\{?CI_DEPENDENCY_PROXY_\w+\}?/")


def script(job: Map, *keys: str) -> Sequence[Text]:
    """Return the commands under some keys of a job."""
    return [item for key in keys for item in flat(job.get(key)) if isinstance(item, Text)]


def variables(job: Map, about: str, notes: Notes) -> dict[str, str]:
    """Take the variables out of a job and return them, each with the others filled in."""
    plain: dict[str, str] = {}
    found = job.pop("variables", None)
    for key, value in found.items() if isinstance(found, Map) else ():
        line = found.lines[key]
        for more in sorted(set(value) - {"value"}) if isinstance(value, Map) else ():
            notes.add(value.lines[more], about, f"{more} of the variable {key} has no counterpart; left out")
        if key.startswith(_ENGINES):
            notes.add(line, about, f"the variable {key} is left out: no engine is in a job, the farm builds by itself")
        elif key.startswith(_RUNNERS):
            notes.add(line, about, f"the variable {key} tells GitLab's runner something; left out")
        else:
            plain[key] = str((value.get("value") if isinstance(value, Map) else value) or "")
    return {key: expand(value, plain) for key, value in plain.items()}


def told(name: str) -> bool:
    """Return whether a variable is for GitLab's runner or an engine, which `variables` has told or taken over."""
    return name.startswith((*_RUNNERS, _ENGINES))


@dataclass(slots=True)
class TestJob:
    """One job on its way. It takes out of the job what it understands; what is left has no counterpart."""

    job: Map
    about: str
    env: Mapping[str, str]
    built: Sequence[str]
    """Names of the image that is built, so that they are known for it."""
    notes: Notes
    made: dict[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the job as it is written in `.farm.yml`."""
        self._parallel()
        said = script(self.job, "before_script", "script", "after_script")
        runs = self._runs()
        if runs:
            for key in ("image", "services", "before_script", "script"):
                self.job.pop(key, None)  # what `docker run` needed around it
        else:
            self._image()
            self.made["checkout"] = SOURCE
        commands = [*self._after(), *(runs or self._commands())]
        exports = {name: value for name, value in self.env.items() if predefined(value)}
        matrix = self.made.get("matrix", {})
        env = {name: value for name, value in self.env.items() if name not in exports and name not in matrix}
        if env:
            self.made["env"] = env
        if secrets := secret.named(self.job, self.about, self.notes):
            self.made["secrets"] = secrets
        secret.unset(said, {*self.env, *matrix, *secrets}, self.about, self.notes)
        if beside := services(self.job, self.about, env, self.notes):
            self.made["services"] = beside
        self.made["script"] = [*self._exports(exports, commands), *commands]
        self.made |= outcomes(self.job, self.about, self.notes) | kept(self.job, self.about, env, self.notes)
        self._labels()
        return self.made

    def _note(self, line: int, message: str) -> None:
        self.notes.add(line, self.about, message)

    def _line(self, key: str) -> Line:
        return self.job.lines.get(key, self.job.line)

    def _runs(self) -> list[str]:
        """Return the commands of a job that only runs containers of the built image: here a job is in it already."""
        said = list(docker.commands(script(self.job, "before_script", "script")))
        runs = [one for one in said if isinstance(one, docker.Run) and self._is_built(one.image)]
        if len(runs) < len(said):
            return []
        for run in runs:
            for option in run.unknown:
                self._note(run.line, f"docker run {option} has no counterpart; left out")
        return [self._said(" ".join([*run.env, run.command]), run.line) for run in runs if run.command]

    def _commands(self) -> list[str]:
        found = []
        for item in script(self.job, "before_script", "script"):
            if docker.WORDS.search(item) or re.search(r"(?:^|\s)docker-compose\s", item):
                self._note(item.line, f"`{_short(item)}` needs an engine in the job, which there is none of here")
            if _BASH.search(item):
                self._note(item.line, f"`{_short(item)}` is for bash; scripts run with sh here")
            found.append(self._said(item, item.line))
        for key in ("before_script", "script"):
            self.job.pop(key, None)
        return found

    def _after(self) -> list[str]:
        """Return what makes the shell run `after_script` at its end, whatever that is, without changing it."""
        after = script(self.job, "after_script")
        self.job.pop("after_script", None)
        if not after:
            return []
        body = "\n".join(f"  {line}" for item in after for line in self._said(item, item.line).splitlines())
        return [f"after_script() {{\n{body}\n}}\ntrap '(after_script) || true' EXIT\n"]

    def _exports(self, exports: Mapping[str, str], commands: Sequence[str]) -> list[str]:
        """Return the lines that set variables of which only a running job knows the value."""
        used = {name for each in commands for name in names(each)}
        made = []
        for name, value in exports.items():
            if name in used or not command(value)[1]:
                made.append(f'export {name}="{self._said(value, self.job.line)}"')
            elif not self._is_built(value):
                self._note(self.job.line, f"the variable {name} needs what only GitLab knows; left out")
        return made

    def _said(self, text: str, line: int) -> str:
        said, left = command(text)
        for name in left:
            self._note(line, f"the variable {name} has no counterpart; the command has it still")
        return said if "\n" in said.rstrip("\n") else said.rstrip("\n")

    def _image(self) -> None:
        """Set the image; none for the one that is built."""
        line, said = self._line("image"), self.job.pop("image", None)
        for key in sorted(set(said) - {"name", "entrypoint"}) if isinstance(said, Map) else ():
            self._note(said.lines[key], f"{key} of the image has no counterpart; left out")
        if isinstance(said, Map) and any(flat(said.get("entrypoint"))):
            self._note(said.lines["entrypoint"], "entrypoint of the image is left out: a script is run by sh alone")
        name = said.get("name") if isinstance(said, Map) else said
        if name is None:
            self._note(line, "no image is named (GitLab's runner chose one): it runs in the image that is built")
            return
        name = str(name)
        if _PROXY.search(name):
            self._note(line, "GitLab's dependency proxy is left out; the image comes from where its name says")
            name = _PROXY.sub("", name)
        if self._is_built(name):
            return
        name = expand(_braced(name, self.made.get("matrix", {})), self.env)
        if not is_image(re.sub(r"\{\w+\}", "x", name)):
            self._note(line, f"the image {name} is not known here: it runs in the image that is built")
            return
        if name.split(":")[0].rsplit("/", 1)[-1] == "docker":
            self._note(line, f"the image {name} has docker, but a job reaches no engine here")
        self.made["image"] = name

    def _is_built(self, name: str) -> bool:
        filled = expand(name, self.env)
        return bool(re.match(r"\$\{?CI_REGISTRY(_IMAGE)?\}?[:/@]", filled)) or filled in self.built

    def _parallel(self) -> None:
        line, said = self._line("parallel"), self.job.pop("parallel", None)
        if isinstance(said, Text) and NUMBER.fullmatch(said):
            if 2 <= int(said) <= 50:  # noqa: PLR2004 - the farm's own bounds
                self.made["parallel"] = int(said)
            elif int(said) > 1:
                self._note(line, f"parallel: {said} is more than the 50 that can be here; left out")
            return
        rows = [row for row in flat(said.get("matrix")) if isinstance(row, Map)] if isinstance(said, Map) else []
        if len(rows) == 1:
            self.made["matrix"] = {key: [str(item) for item in flat(value)] for key, value in rows[0].items()}
        elif said is not None:
            self._note(line, "this form of parallel has no counterpart; left out")

    def _labels(self) -> None:
        line = self._line("tags")
        labels = [_LABEL.sub("-", str(tag).lower()).strip("-._")[:32] for tag in flat(self.job.pop("tags", None))]
        if len(labels) > 4:  # noqa: PLR2004 - the farm's own bound
            self._note(line, f"only four labels can be asked for; left out: {', '.join(labels[4:])}")
        if labels:
            self.made["runs_on"] = labels[:4]
            self._note(line, f"tags became runs_on: a worker with --labels {','.join(labels[:4])} has to be there")


def _braced(name: str, matrix: Mapping[str, Any]) -> str:
    """Return an image with the variables of a matrix as the farm writes them."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: f"{{{found[1]}}}" if found[1] in matrix else found[0], name)


def _short(text: str) -> str:
    first = text.strip().splitlines()[0]
    return first if len(first) <= 60 else f"{first[:59]}…"  # noqa: PLR2004 - fits a line
