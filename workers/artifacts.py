"""Files that a job leaves to be kept: packed out of its container, sent to the dispatcher. It keeps none itself."""

import posixpath
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import IO, Any

import httpx

from farm.definition.models import Artifacts
from farm.errors import Errored, Failed, LeaseLost
from farm.pipeline import Status
from farm.record import Claim, Record
from farm.settings import Settings
from workers.workspace import Keep, Outcome, Workspace

MOST = 10_000  # files of a job
_CHUNK = 1 << 18
_NAME = 500  # characters of a path
_REFUSED, _TOO_LARGE = 403, 413


def keep(work: Workspace, wanted: Artifacts | None, container: str, outcome: Outcome) -> Outcome:
    """Keep what the definition names, if the job's end is one after which it is wanted.

    That it cannot be kept fails a job that has passed; of one that has failed the log says it. Raises Errored when the
    dispatcher does not take it.
    """
    if wanted is None or work.keep is None or wanted.when not in ("always", outcome.status):
        return outcome
    with tempfile.TemporaryFile(dir=work.home) as file:
        try:
            count, size = _packed(work, work.keep.limit, wanted, container, file)
            if not count:
                return outcome
            file.seek(0)
            document = work.keep.send(work, wanted, file)
        except (Failed, Errored) as error:
            if outcome.status is Status.PASSED:
                raise
            work.log.line(f"warning: {error}")
            return outcome
    work.log.line(f"kept {count} file{'s' * (count != 1)}, {size / 1e6:.1f} MB")
    return replace(outcome, result={**outcome.result, "artifacts": {"count": count, "bytes": size, **document}})


def _packed(work: Workspace, limit: int, wanted: Artifacts, container: str, file: IO[bytes]) -> tuple[int, int]:
    """Write a tar of the files and return how many they are, and their bytes."""
    size, links, names, unmatched = 0, 0, set[str](), set(wanted.paths)
    with tarfile.open(fileobj=file, mode="w") as tar:
        for entry in work.engine.walk(container, wanted.paths, check=work.check):
            unmatched.difference_update(entry.patterns)
            if entry.content is None:
                links += 1
                continue
            name = posixpath.relpath(entry.path, entry.home)
            if name in names:
                continue
            names.add(name)
            size += entry.size
            if size > limit:
                raise Failed(
                    f"artifacts: they are more than the {limit >> 20} MiB that this farm keeps of a job; name fewer"
                )
            if len(names) > MOST:
                raise Failed(f"artifacts: more than {MOST} files; pack them, or name fewer")
            if name.startswith("../") or len(name) > _NAME or not name.isprintable():
                raise Failed(f"artifacts: {name[:80]!r} is no path that can be kept; name it otherwise")
            info = tarfile.TarInfo(name)
            info.size, info.mtime = entry.size, entry.time
            tar.addfile(info, entry.content)
    for pattern in wanted.paths:
        if pattern in unmatched:
            work.log.line(f"warning: artifacts: the script left nothing that matches {pattern}")
    if links:
        work.log.line(f"warning: {links} of the artifacts are links or no files; they are not kept")
    return len(names), size


def to_dispatcher(settings: Settings, record: Record, claim: Claim) -> Keep:
    """Return what sends a tar to the dispatcher, under a grant for this very claim."""

    def send(work: Workspace, wanted: Artifacts, file: IO[bytes]) -> dict[str, Any]:
        word, expires = record.grant(claim, wanted.expire)
        url = f"{settings.url.rstrip('/')}/artifacts"
        try:
            answer = httpx.put(
                url, content=_pieces(work, file), headers={"Authorization": f"Bearer {word}"}, timeout=60
            )
        except httpx.TransportError as error:
            raise Errored(f"the dispatcher at {settings.url} does not take artifacts: {error}; see FARM_URL") from error
        if answer.status_code == _REFUSED:
            raise LeaseLost(f"#{claim.number} {claim.step} is no longer owned by {claim.worker}; nothing was kept")
        if answer.status_code == _TOO_LARGE:
            raise Failed(
                "artifacts: they are more than this farm keeps of a job (`artifact_max` in its farm.yml); name fewer"
            )
        if not answer.is_success:
            raise Errored(f"the dispatcher answered {answer.status_code} to artifacts; its log says why")
        return {"expires": expires, "fence": claim.fence}

    return Keep(int(settings.artifact_max), send)


def _pieces(work: Workspace, file: IO[bytes]) -> Iterator[bytes]:
    for piece in iter(partial(file.read, _CHUNK), b""):
        work.check()
        yield piece
