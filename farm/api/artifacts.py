"""Artifacts come in from workers as a stream, are listed, and are read."""

from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

import structlog
from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from farm.api.service import Farm, Reader, Service, Word, seen
from farm.errors import Errored, Refused
from farm.pipeline import Job, Pipeline
from farm.record import Sent

OVERHEAD = 32 << 20  # bytes that a tar may be longer than the files in it

log = structlog.get_logger()
routes = APIRouter(tags=["artifacts"])


@routes.put(
    "/artifacts", summary="Keep the artifacts of a step, a tar; for the worker that has the step", status_code=201
)
async def put(request: Request, farm: Farm, word: Word) -> dict[str, int]:
    """403 unless the word is that of a grant whose step the worker still has; 413 when they are too many bytes."""
    sent = await run_in_threadpool(farm.record.granted, word)
    if sent is None:
        raise HTTPException(403, "nothing may be kept with this word; the step has another owner, or is over")
    file = await run_in_threadpool(farm.artifacts.create, sent)
    length = 0
    try:
        length = await _written(request, file, int(farm.settings.artifact_max) + OVERHEAD)
    except BaseException:
        await run_in_threadpool(_dropped, farm, sent, file)
        raise
    log.info("artifacts.kept", pipeline=sent.number, step=sent.step, bytes=length)
    return {"bytes": length}


@routes.get("/pipelines/{number}/artifacts", summary="The artifacts of a pipeline")
def listed(number: int, farm: Farm, reader: Reader) -> list[dict[str, Any]]:
    """List those that are still there, by step, with path and size of each file; `expires` is Unix time."""
    found = seen(farm, reader, number)
    rows = []
    for job in _kept(found, farm):
        kept = job.result["artifacts"]
        try:
            files = farm.artifacts.files(Sent(number, job.name, kept["fence"]))
        except Refused:
            continue  # they have just expired
        rows.append(
            {
                "step": job.name,
                "bytes": kept["bytes"],
                "expires": kept["expires"],
                "files": [{"path": path, "size": size} for path, size in files],
            }
        )
    return rows


@routes.get("/pipelines/{number}/artifacts/{step:path}", summary="The artifacts of a step, as a tar, or one file")
def read(number: int, step: str, farm: Farm, reader: Reader, file: str | None = None) -> StreamingResponse:
    """Give all of them as a tar, or with `file` one of them; a stranger's data. 404 when they are not there."""
    found = seen(farm, reader, number)
    job = next((job for job in _kept(found, farm) if job.name == step), None)
    if job is None:
        raise HTTPException(
            404,
            f"#{number} {step} has no artifacts, or their time is over; `farm artifacts {number}` lists what is kept",
        )
    pieces = farm.artifacts.pieces(Sent(number, step, job.result["artifacts"]["fence"]), file)
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
        "Content-Disposition": "attachment",
    }
    return StreamingResponse(
        pieces, media_type="application/octet-stream" if file else "application/x-tar", headers=headers
    )


async def _written(request: Request, file: IO[bytes], limit: int) -> int:
    length = 0
    async for piece in request.stream():
        length += len(piece)
        if length > limit:
            raise HTTPException(413, f"these are more than the {limit >> 20} MiB that are kept of a job")
        await run_in_threadpool(_put, file.write, piece)
    await run_in_threadpool(_put, file.close)  # what was kept back goes out with it
    return length


def _put(act: Callable[..., object], *piece: bytes) -> None:
    try:
        act(*piece)
    except Exception as error:  # a disk's, or whatever library speaks to where they are kept
        raise Errored(f"artifacts cannot be written: {error}; see that there is room where they are kept") from error


def _dropped(farm: Service, sent: Sent, file: IO[bytes]) -> None:
    with suppress(Exception):
        file.close()
    farm.artifacts.remove(sent)


def _kept(found: Pipeline, farm: Service) -> list[Job]:
    now = farm.record.now()
    jobs = [job for job in found.jobs if job.result.get("artifacts")]
    return [job for job in jobs if job.result["artifacts"]["expires"] > now]
