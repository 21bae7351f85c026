"""Commands that build, tag, push or run an image, taken apart. What it does not know it gives back as it is."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from farm.gitlab.source import Line, Text

WORDS = re.compile(r"(?:^|[\s;&|(])(?:docker|podman|buildah|/kaniko/executor|executor)\s")
MAKES = re.compile(r"(?:docker|podman)\s+(?:image\s+|buildx\s+)?(?:build|push|tag)\b|buildah\s|kaniko/executor")
_PROGRAMS = ("docker", "podman", "buildah")
_GROUPS = ("image", "buildx", "container")
_QUIET = ("login", "logout", "info", "version", "pull", "--version", "context")
_VALUED = frozenset(
    [
        "-f",
        "--file",
        "-t",
        "--tag",
        "--target",
        "--build-arg",
        "--label",
        "--cache-from",
        "--cache-to",
        "--platform",
        "--network",
        "--progress",
        "--secret",
        "--ssh",
        "-o",
        "--output",
        "--build-context",
        "--builder",
        "--add-host",
        "-m",
        "--memory",
        "--shm-size",
        "--iidfile",
        "--dockerfile",
        "--context",
        "--destination",
        "--provenance",
        "--sbom",
        "--cache-repo",
        "--metadata-file",
    ]
)
_RUN_VALUED = frozenset(
    [
        "-e",
        "--env",
        "-v",
        "--volume",
        "--network",
        "--name",
        "-w",
        "--workdir",
        "-u",
        "--user",
        "--entrypoint",
        "-p",
        "--publish",
        "--link",
    ]
)
_PLAIN = frozenset(
    ["--push", "--load", "-q", "--quiet", "--rm", "--force-rm", "--progress", "--iidfile", "--metadata-file"]
)
_SPLIT = re.compile(r"\s*(?:&&|;|\n)\s*")
_LONGEST = 10_000  # characters of a command that is taken apart


@dataclass(slots=True)
class Build:
    """One build: its options by their long names, its tags, and its context."""

    line: Line
    context: str = "."
    dockerfile: str | None = None
    target: str | None = None
    args: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    push: bool = False
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Push:
    """One push of a name."""

    line: Line
    name: str


@dataclass(frozen=True, slots=True)
class Tag:
    """One more name for an image."""

    line: Line
    source: str
    name: str


@dataclass(frozen=True, slots=True)
class Run:
    """A command in a container: the image, the command, and options that are more than a terminal."""

    line: Line
    image: str
    command: str
    env: Sequence[str]
    unknown: Sequence[str]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else."""

    line: Line
    text: str


Command = Build | Push | Tag | Run | Other


def commands(script: Sequence[Text]) -> Iterator[Command]:
    """Give the commands of a script one by one; logging in and pulling are nothing to tell."""
    for item in script:
        joined = re.sub(r"\\\n\s*", " ", item)
        for part in _SPLIT.split(joined):
            if part and not part.startswith("#") and (found := _command(part, item.line)):
                yield found


def _command(text: str, line: Line) -> Command | None:
    """Return one command; None for what the farm has no need of (login, pull, a builder)."""
    if len(text) > _LONGEST:
        return Other(line, text)
    try:
        words = shlex.split(re.sub(r"^(?:echo|printf|cat)\s[^|]*\|\s*(?=docker\s+login)", "", text))
    except ValueError:
        return Other(line, text)
    if words and words[0].endswith("executor"):
        return _build(words[1:], line)
    if len(words) < 2 or words[0] not in _PROGRAMS:  # noqa: PLR2004 - the program and what it does
        return Other(line, text)
    rest = words[2:] if words[1] in _GROUPS and len(words) > 2 else words[1:]  # noqa: PLR2004 - a verb comes then
    if rest[0] in _QUIET or (words[1] == "buildx" and rest[0] in ("create", "use", "inspect", "ls")):
        return None
    return _verb(rest[0], rest[1:], line, text)


def _verb(verb: str, rest: Sequence[str], line: Line, text: str) -> Command:
    names = [word for word in rest if not word.startswith("-")]
    match verb:
        case "build" | "bud":
            return _build(rest, line)
        case "push" if names:
            return Push(line, names[-1])
        case "tag" if len(names) == 2:  # noqa: PLR2004 - from, to
            return Tag(line, names[0], names[1])
        case "run":
            return _run(rest, line, text) or Other(line, text)
    return Other(line, text)


def _build(words: Sequence[str], line: Line) -> Build:
    build, rest = Build(line), list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            build.context = word
            continue
        option, equals, value = word.partition("=")
        if not equals and option in _VALUED and rest:
            value = rest.pop(0)
        _option(build, option, value)
    return build


def _option(build: Build, option: str, value: str) -> None:
    match option:
        case "-f" | "--file" | "--dockerfile":
            build.dockerfile = value
        case "--context":
            build.context = value.removeprefix("dir://")
        case "--target":
            build.target = value
        case "--build-arg":
            build.args.append(value)
        case "--label":
            build.labels.append(value)
        case "-t" | "--tag" | "--destination":
            build.tags.append(value)
            build.push = build.push or option == "--destination"
        case "--push":
            build.push = True
        case _ if option not in _PLAIN:
            build.unknown.append(f"{option} {value}".strip())


def _run(words: Sequence[str], line: Line, text: str) -> Run | None:
    rest, env, unknown = list(words), list[str](), list[str]()
    while rest and rest[0].startswith("-"):
        option, equals, value = rest.pop(0).partition("=")
        if not equals and option in _RUN_VALUED and rest:
            value = rest.pop(0)
        if option in ("-e", "--env"):
            env.append(value)
        elif not re.fullmatch(r"--rm|-[itd]*[it][it]*|--tty|--interactive|--pull", option):
            unknown.append(f"{option} {value}".strip())
    return Run(line, rest[0], shlex.join(rest[1:]), env, unknown, text) if rest else None
