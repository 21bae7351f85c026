"""The picture that a README shows: how the newest finished pipeline of a branch ended. It links to nothing."""

from markupsafe import Markup, escape

from farm.pipeline import Status
from farm.record import Record

# Pixels of letters at 11 px Verdana, about.
_NARROW, _WIDE = "ijlt.,:;|!'()[]/f-r ", "mwMW@"
_LOOKED = 50
# White on each has a contrast of at least 4.5.
_COLOURS = {
    Status.PASSED: "#1c7a3a",
    Status.FAILED: "#b91c1c",
    Status.ERRORED: "#a2500a",
    Status.CANCELED: "#5f6b76",
}


def badge(record: Record, name: str) -> str:
    """Return the badge for `<repository>/<branch>`; both may have slashes, a registered repository is looked for."""
    repository = repository_of(record, name)
    branch = name.removeprefix(f"{repository}/") if repository else ""
    status = _newest(record, repository, branch) if repository else None
    word = str(status) if status else "unknown"
    label = f"{repository} {branch}".strip() or "farm"
    return _drawn(label, word, _COLOURS.get(status, "#5f6b76") if status else "#5f6b76")


def repository_of(record: Record, name: str) -> str:
    """Return the registered repository that a badge is about; one in the name of another goes before it."""
    known = [each for each in record.redis.smembers("farm:repositories") if name.startswith(f"{each}/")]
    return max(known, key=len, default="")


def _newest(record: Record, repository: str, branch: str) -> Status | None:
    refs = (f"refs/heads/{branch}", f"refs/tags/{branch}")
    statuses = record.statuses(record.numbers(repositories=[repository], refs=refs, limit=_LOOKED))
    return next((Status(status) for status in statuses if status in _COLOURS), None)


def _length(text: str) -> int:
    return round(sum(4.6 if letter in _NARROW else 10.4 if letter in _WIDE else 6.9 for letter in text))


def _drawn(label: str, word: str, colour: str) -> Markup:
    left, right = (_length(text) + 14 for text in (label, word))
    whole = left + right
    texts = "".join(
        f'<text x="{x}" y="14" textLength="{_length(text)}">{escape(text)}</text>'
        for x, text in ((left / 2, label), (left + right / 2, word))
    )
    return Markup(  # noqa: S704 - numbers, own colours and escaped words
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" '
        f'aria-label="{escape(label)}: {escape(word)}"><title>{escape(label)}: {escape(word)}</title>'
        f'<clipPath id="r"><rect width="{whole}" height="20" rx="4"/></clipPath><g clip-path="url(#r)">'
        f'<path fill="#3f4a3c" d="M0 0h{left}v20H0z"/><path fill="{colour}" d="M{left} 0h{right}v20H{left}z"/></g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{texts}</g></svg>"
    )
