"""Which registries a Dockerfile takes images from. It reads the text alone and asks nobody."""

import re
from collections.abc import Mapping

_CONTINUED = re.compile(r"\\[ \t]*\r?\n")
_SYNTAX = re.compile(r"^\s*#\s*syntax\s*=\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)=(?:\"([^\"]*)\"|'([^']*)'|(\S*))", re.IGNORECASE | re.MULTILINE)
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.MULTILINE)
_COPIED = re.compile(r"(?:--from=|,from=)([^\s,]+)")
_USED = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}|\$(\w+)")


def registries(dockerfile: str, args: Mapping[str, str]) -> tuple[str, ...]:
    """Return the hosts of all images that it names, with the build's arguments filled in; Docker Hub is `docker.io`."""
    text = _CONTINUED.sub(" ", dockerfile)
    known = {name: double or single or bare for name, double, single, bare in _ARG.findall(text)} | dict(args)
    stages = {stage.lower() for _, stage in _FROM.findall(text) if stage}
    named = [*_SYNTAX.findall(text), *(image for image, _ in _FROM.findall(text)), *_COPIED.findall(text)]
    hosts: dict[str, None] = {}
    for image in (_filled(each, known) for each in named):
        if image.lower() in {*stages, "scratch", ""} or image.isdecimal():
            continue
        host, slash, _ = image.partition("/")
        named_host = slash and ("." in host or ":" in host or host == "localhost")
        hosts[host if named_host and host != "index.docker.io" else "docker.io"] = None
    return tuple(hosts)


def _filled(image: str, known: Mapping[str, str]) -> str:
    return _USED.sub(lambda used: known.get(used[1] or used[3], used[2] or ""), image)
