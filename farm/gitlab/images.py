"""GitLab jobs that build and push images, as `build` and `release` of the farm. There is one image here."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from farm.gitlab import docker
from farm.gitlab.jobs import script
from farm.gitlab.notes import Notes
from farm.gitlab.source import List, Map, Text
from farm.gitlab.when import When
from farm.gitlab.words import expand, names, tag

_OURS = re.compile(r"\$\{?CI_REGISTRY_IMAGE\}?|\$\{?CI_REGISTRY\}?/\$\{?CI_PROJECT_PATH\}?")
_TEMPLATE = re.compile(r"(?:[A-Za-z0-9_]|\{\w+\})(?:[A-Za-z0-9_.-]|\{\w+\})*")
_TELLING = ("{branch}", "{tag}", "{short_sha}", "{number}")


@dataclass(slots=True)
class Images:
    """What the building and pushing jobs amount to, gathered job by job."""

    notes: Notes
    build: docker.Build | None = None
    args: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    image: str | None = None
    tags: list[str] = field(default_factory=list)
    branches: list[str] = field(default_factory=list)
    everywhere: bool = False
    """Whether a pushing job runs for what the server protects, so that no branch has to be named."""
    names: list[str] = field(default_factory=list)
    """All names that were given to the image, so that `docker run NAME` and `image: NAME` are understood."""

    def take(self, job: Map, about: str, env: Mapping[str, str], when: When) -> Map | None:
        """Take a job's commands. Those that run the image are given back as a job that tests, if there are some."""
        script_ = [_filled(item, env) for item in script(job, "before_script", "script")]
        for key in ("before_script", "script"):
            job.pop(key, None)
        for key in ("tags", "timeout", "after_script"):
            if job.pop(key, None) is not None:
                self.notes.add(job.lines[key], about, f"{key} has no counterpart for a build; left out")
        runs = [
            Text(run.text, run.line)
            for each in docker.commands(script_)
            if (run := self._command(each, about, env, when))
        ]
        if not runs:
            return None
        inside = Map(job.line)
        inside.put("script", List(runs, runs[0].line), runs[0].line)
        return inside

    def _command(self, each: docker.Command, about: str, env: Mapping[str, str], when: When) -> docker.Run | None:
        """Take one command; give it back if it runs the image."""
        match each:
            case docker.Build(line=line, tags=tags):
                self._build(each, about, env)
                self._pushed(tags if each.push else (), line, about, when)
            case docker.Push(line, name):
                self._pushed([name], line, about, when)
            case docker.Tag(_, _, name):
                self.names.append(name)
            case docker.Run(image=image) if image in self.names:
                return each
            case docker.Run(line=line, text=text) | docker.Other(line, text):
                self.notes.add(line, about, f"`{text[:60]}` is left out: the farm builds from the Dockerfile alone")
        return None

    def document(self) -> dict[str, Any]:
        """Return the keys of `.farm.yml`."""
        made: dict[str, Any] = {"image": self.image} if self.image else {}
        if self.build is not None and (build := self._written(self.build)):
            made["build"] = build
        tags = list(dict.fromkeys(self.tags))
        if "latest" in tags:
            tags = ["latest", *(each for each in tags if each != "latest")]
        branches = list(dict.fromkeys(() if self.everywhere else self.branches))
        moving = [each for each in tags if not any(telling in each for telling in _TELLING)]
        if moving and (len(branches) > 1 or any("*" in branch for branch in branches)):
            self.notes.add(0, "release", f"{moving[0]} belongs to one branch here, so only {branches[0]} releases")
            branches = [branch for branch in branches[:1] if "*" not in branch]
        if not tags:
            made["release"] = "none"
        elif tags != ["latest"] or branches:
            made["release"] = ({"branches": _one(branches)} if branches else {}) | {"tags": _one(tags)}
        return made

    def _build(self, build: docker.Build, about: str, env: Mapping[str, str]) -> None:
        self.names += build.tags
        for option in build.unknown:
            self.notes.add(build.line, about, f"the option {option} of the build has no counterpart; left out")
        if self.build is not None and _place(self.build) != _place(build):
            self.notes.add(
                build.line, about, "this is a second image of the repository; the farm builds one, so it is left out"
            )
            return
        if self.build is None:
            self.build = build
        for kind, pairs, into in (("argument", build.args, self.args), ("label", build.labels, self.labels)):
            for pair in pairs:
                name, equals, value = pair.partition("=")
                value = value if equals else env.get(name, "")
                unknown = names(value) if equals or name in env else [name]
                if unknown:
                    self.notes.add(build.line, about, f"the {kind} {pair} is only known to GitLab; left out")
                else:
                    into[name] = value

    def _written(self, build: docker.Build) -> dict[str, Any]:
        context = posixpath.normpath(re.sub(r"^\$\{?CI_PROJECT_DIR\}?/?", "", build.context) or ".")
        made: dict[str, Any] = {}
        if context.startswith(("..", "/")) or "$" in context or "://" in context or context == "-":
            self.notes.add(build.line, "build", f"the context {build.context} is no folder of the repository; left out")
        elif context != ".":
            made["context"] = context
        if build.dockerfile:
            path = re.sub(r"^\$\{?CI_PROJECT_DIR\}?/?", "", build.dockerfile)
            path = posixpath.relpath(posixpath.normpath(path), made.get("context", "."))
            if path.startswith("..") or "$" in path:
                self.notes.add(build.line, "build", f"{build.dockerfile} lies outside of its context; left out")
            elif path != "Dockerfile":
                made["dockerfile"] = path
        more = {"target": build.target, "args": self.args, "labels": self.labels}
        return made | {key: value for key, value in more.items() if value}

    def _pushed(self, given: Sequence[str], line: int, about: str, when: When) -> None:
        if given:
            self._branches(when, about)
        for name in given:
            self.names.append(name)
            reference = name.partition("@")[0]
            path, colon, label = reference.rpartition(":")
            if not colon or "/" in label:
                path, label = reference, "latest"
            self._path(path, line, about)
            template = tag(label)
            if not _TEMPLATE.fullmatch(template) or names(template):
                self.notes.add(line, about, f"the tag {label} is only known to GitLab; left out")
                continue
            if "CI_COMMIT_SHA" in label:
                self.notes.add(line, about, "the tag of the full commit became {short_sha}, its first 12 digits")
            if when.tags and not when.every and not when.default and "{branch}" in template:
                template = template.replace("{branch}", "{tag}")
            if when.tags and not (when.every or when.default or when.branches) and "{tag}" not in template:
                self.notes.add(line, about, f"a git tag never moves {template} here; it moves with the default branch")
            self.tags.append(template)

    def _path(self, path: str, line: int, about: str) -> None:
        rest = _OURS.sub("", path, count=1)
        if rest != path:
            if rest.strip("/"):
                self.notes.add(
                    line, about, f"without {rest} here: the image has the repository's name, or that of `image`"
                )
            return
        host, slash, name = path.partition("/")
        if not slash or not ("." in host or ":" in host or "$" in host):
            host, name = "Docker Hub", path
        if names(name) or not re.fullmatch(r"[a-z0-9._/-]+", name):
            self.notes.add(line, about, f"the name {path} is only known to GitLab; here it is the repository's")
        elif self.image not in (None, name):
            self.notes.add(line, about, f"a second name of the image, {path}, is left out")
        elif self.image is None:
            self.image = name
            self.notes.add(line, about, f"pushed to {host} there; the farm pushes to its own registry, as {name}")

    def _branches(self, when: When, about: str) -> None:
        self.branches += when.branches
        if when.default or when.tags or when.every:
            self.everywhere = self.everywhere or when.default or when.every
        if when.every:
            self.notes.add(when.line, about, "pushed for every branch there; here what the server protects releases")
        if (when.merges and not when.every) or when.strange:
            self.notes.add(when.line, about, f"ran for {when.words}; here what the server protects releases")


def makes_images(job: Map) -> bool:
    """Say whether a job builds, tags or pushes images."""
    return any(docker.MAKES.search(item) for item in script(job, "before_script", "script"))


def _filled(item: Text, env: Mapping[str, str]) -> Text:
    return Text(expand(item, env), item.line)


def _place(build: docker.Build) -> tuple[str, str | None, str | None]:
    return posixpath.normpath(build.context), build.dockerfile, build.target


def _one(items: Sequence[str]) -> Any:
    return items[0] if len(items) == 1 else list(items)
