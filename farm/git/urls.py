"""What may be given to git as a clone URL or an object id, and what such a URL says. It runs nothing."""

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from farm.errors import Refused

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SCP = re.compile(r"[\w.-]+(@[\w.-]+)?:(?!:)[^\s]+")
_SCHEMES = ("file", "ssh", "git", "http", "https")


def oid(value: str) -> str:
    """Return the value if it is a full object id; refuse anything that git could take for an option or a range."""
    if not _OID.fullmatch(value):
        raise Refused(f"{value!r} is no full object id of git; send 40 (or 64) lower-case hex digits")
    return value


def checked(url: str) -> str:
    """Return the URL if git may be given it: a path or ssh, git, http, https, file; refuse helpers and options."""
    if "\n" not in url and "\0" not in url and not url.startswith("-"):
        if url.startswith("/") or (_SCP.fullmatch(url) and "://" not in url):
            return url
        if "://" in url and scheme(url) in _SCHEMES:
            return url
    raise Refused(
        f"{url!r} is no clone URL; give an absolute path or one that begins with ssh://, https:// or user@host:"
    )


def scheme(url: str) -> str:
    """Return the scheme of a URL, "" for what is none."""
    with suppress(ValueError):  # a host in half a bracket, a port that is none
        parts = urlsplit(url)
        if parts.port != 0:
            return parts.scheme
    return ""


def local(url: str) -> Path | None:
    """Return the path of a repository of this machine, or None for one that is reached over the network."""
    if url.startswith("/"):
        return Path(url)
    return Path(urlsplit(url).path) if url.startswith("file://") else None


def host(url: str) -> str:
    """Return the host that a clone URL leads to; "" for this machine."""
    if local(url):
        return ""
    if "://" in url:
        return urlsplit(url).hostname or ""
    return url.partition(":")[0].rpartition("@")[2]


def server(url: str) -> tuple[str, str, int | None]:
    """Return by which means a clone URL leads to which host and port."""
    if "://" not in url:
        return "file" if local(url) else "ssh", host(url), None
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port


def password(url: str) -> bool:
    """Return whether the URL carries a password."""
    return "://" in url and ":" in urlsplit(url).netloc.rpartition("@")[0]


def shown(url: str) -> str:
    """Return the URL without the password that it may carry."""
    parts = urlsplit(url) if "://" in url else None
    if parts is None or "@" not in parts.netloc:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host))
