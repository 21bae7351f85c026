"""Whose fault an engine's message is, in one sentence: Failed for the pushed code's, Errored for ours. No effects."""

import re

from farm.errors import Errored, Failed
from workers.engine import NoProgram

_AWAY = re.compile(
    r"dial (tcp|unix)|connection (refused|reset)|i/o timeout|no such host|TLS handshake|unexpected EOF|broken pipe"
    r"|\b50[0234] |\b429 |toomanyrequests|context deadline exceeded|server misbehaving|Client\.Timeout|x509",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_STEP = (
    re.compile(r"executor failed running \[(?P<command>.*)\]: exit code: (?P<code>\d+)", re.DOTALL),
    re.compile(r'process "(?P<command>.*)" did not complete successfully: exit code: (?P<code>\d+)', re.DOTALL),
    re.compile(r"The command '(?P<command>.*)' returned a non-zero code: (?P<code>\d+)", re.DOTALL),
)
_NO_DOCKERFILE = re.compile(r"failed to read dockerfile|Cannot locate specified Dockerfile")
_MISTAKE = re.compile(r"dockerfile parse error (?:on )?line (?P<line>\d+): (?P<what>.*)", re.DOTALL)
_NO_FILE = re.compile(r'"(?P<file>/[^"]*)"(?: not found)?: not found|stat (?P<stat>[^:]+): file does not exist')
# "no active sessions": BuildKit would ask the docker program for a login, and there is none behind the API.
_SHUT = re.compile(
    r"unauthorized|authentication required|authorization failed|no basic auth|access denied|no active sessions"
    r"|\b401 |\b403 ",
    re.IGNORECASE,
)
_LOGIN = "if it needs a login, put one for its host under `registries` in farm.yml on this worker"
_PREFIX = re.compile(
    r"^(ERROR: |error: )?(failed to solve[^:]*: )?((rpc error|code|desc)[^:]*: )*(failed to create LLB definition: )?"
)
_LONG = 200


def away(message: str) -> Errored | None:
    """Return the error if the message says that something of ours is full or does not answer."""
    if _FULL.search(message):
        return Errored(f"the disk of the Docker Engine is full ({_brief(message)}); free some space on this worker")
    if _AWAY.search(message):
        return Errored(f"a registry does not answer ({_brief(message)}); see whether this worker can reach it")
    return None


def of_build(message: str, dockerfile: str) -> Failed | Errored:
    """Return the error that a build ends with."""
    for pattern in _STEP:
        if step := pattern.search(message):
            command = step["command"].removeprefix("/bin/sh -c ")
            return Failed(f"build failed: RUN {_brief(command)}: exit code {step['code']}")
    if _NO_DOCKERFILE.search(message):
        return Failed(f"build failed: there is no {dockerfile} in the build context; add it or set build.dockerfile")
    if mistake := _MISTAKE.search(message):
        return Failed(f"build failed: {dockerfile}, line {mistake['line']}: {_brief(mistake['what'])}")
    if missing := _NO_FILE.search(message):
        name = missing["file"] or missing["stat"]
        return Failed(f"build failed: COPY or ADD of {name}: it is not in the build context (see .dockerignore)")
    if _SHUT.search(message):
        return Failed(f"build failed: {_brief(_PREFIX.sub('', message))}; check the name of the image, and {_LOGIN}")
    return away(message) or Failed(f"build failed: {_brief(_PREFIX.sub('', message))}")


def of_pull(reference: str, message: str) -> Failed | Errored:
    """Return the error that a pull ends with."""
    if error := away(message):
        return Errored(f"image {reference} cannot be pulled: {error}")
    if _SHUT.search(message):
        return Failed(f"image {reference} cannot be pulled: {_brief(message)}; check its name, and {_LOGIN}")
    return Failed(
        f"image {reference} cannot be pulled: {_brief(message)}; check its name and whether workers may read it"
    )


def of_push(reference: str, message: str) -> Errored:
    """Return the error that a push ends with; the registry is ours, so it is never the pushed code's fault."""
    return away(message) or Errored(f"the registry refuses {reference}: {_brief(message)}")


def of_start(image: str, message: str) -> Failed | Errored:
    """Return the error that a container's start ends with."""
    program = re.search(r'exec: "?([^":]+)"?: (.*?)(: unknown)?$', message, re.DOTALL)
    if program:
        return NoProgram(image, program[1], _brief(program[2]))
    return away(message) or Errored(f"the Docker Engine does not start a container of {image}: {_brief(message)}")


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONG else line[: _LONG - 1] + "…"
