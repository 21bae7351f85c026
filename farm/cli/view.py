"""Pipelines as lines for a person: documents of the API in, text out, with no colour and no stranger's escapes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from farm.durations import duration
from farm.pipeline import told_apart
from farm.plain import plain
from farm.refs import short

Document = Mapping[str, Any]

ICONS = {
    "pending": "○",
    "running": "◐",
    "passed": "✓",
    "failed": "✗",
    "errored": "!",
    "canceled": "⊘",
    "skipped": "↷",
    "superseded": "↷",
}
CODES = {"passed": 0, "failed": 1, "errored": 3, "canceled": 4, "skipped": 5, "superseded": 5}
TESTS = 10  # failing tests that are named


def is_final(document: Document) -> bool:
    """Return whether nothing more happens by itself."""
    return document["status"] not in ("pending", "running")


def spent(row: Document, now: float) -> str:
    """Return how long something ran, or runs by now; empty when it never started."""
    started = row.get("started")
    return "" if started is None else duration((row.get("finished") or now) - started)


def branch(document: Document) -> str:
    """Return the branch, tag or pull request by its short name."""
    return plain(short(str(document["ref"])))


def fit(text: str, width: int) -> str:
    """Return text cut to a width in columns of a terminal, wide characters counted."""
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)) + "…"


def table(documents: Sequence[Document], now: float, width: int) -> Iterator[str]:
    """Give one line for each pipeline, columns aligned, the subject cut to what is left of the width."""
    rows = []
    for each in documents:
        stages = "".join(ICONS.get(stage["status"], "?") for stage in each["stages"])
        head = [f"{ICONS.get(each['status'], '?')} #{each['number']}", each["status"], each["repository"], branch(each)]
        rows.append(([*head, commit(each), stages, spent(each, now)], each))
    columns = [0, 1, 2, 3, 4, 5, 6] if width >= 80 else [0, 1, 3] if width >= 40 else [0, 1]  # noqa: PLR2004
    limit = max(8, width // 5)
    cells = [[fit(row[column], limit) for column in columns] for row, _ in rows]
    sizes = [max(cell_len(row[place]) for row in cells) for place in range(len(columns))] if cells else []
    for row, (_, each) in zip(cells, rows, strict=True):
        line = "  ".join(set_cell_size(cell, size) for cell, size in zip(row, sizes, strict=True))
        left = width - cell_len(line) - 2
        yield (line + "  " + fit(plain(each["subject"]), left) if left >= 8 else line).rstrip()  # noqa: PLR2004


def headline(document: Document) -> str:
    """Return what was pushed: number, repository, branch, commit, subject."""
    subject = f' "{plain(document["subject"])}"' if document["subject"] else ""
    return f"#{document['number']} {document['repository']} {branch(document)} {commit(document)}{subject}"


def summary(document: Document, now: float) -> str:
    """Return how a pipeline stands in one line."""
    took = spent({**document, "started": document["started"] or document["created"]}, now)
    reason = f": {why(document)[0]}" if why(document) else ""
    verb = f"{document['status']} after" if is_final(document) else f"{document['status']} for"
    return f"{ICONS.get(document['status'], '?')} {verb} {took}{reason}"


def commit(document: Document) -> str:
    """Return the commit in short, or a word of seven letters where the push deleted its ref."""
    return str(document["commit"])[:7] if document["commit"].strip("0") else "deleted"


def why(row: Document) -> Sequence[str]:
    """Return the lines of the reason: one sentence, and for a definition each of its mistakes."""
    return [plain(line) for line in str(row.get("reason") or "").splitlines() if line.strip()]


def jobs(document: Document, now: float) -> Iterator[tuple[str, str]]:
    """Give status and line of each stage, and below a stage of several jobs those of its jobs."""
    for stage in document["stages"]:
        members = stage.get("jobs", [])
        alone = members[0] if len(members) == 1 else None
        yield stage["status"], "  " + _row(stage["name"], alone or stage, now)
        for job in members if alone is None else ():
            yield job["status"], "    " + _row(job["name"].removeprefix(f"{stage['name']}/"), job, now)


def _row(name: str, row: Document, now: float) -> str:
    tries = row.get("attempts", 0)
    tests = (row.get("result") or {}).get("tests") or {}
    notes = [
        spent(row, now),
        f"on {row['worker']}" if row.get("worker") else "",
        f"{tries} attempts" if tries > 1 else "",
        "which is allowed" if row.get("allowed") else "",
        f"{tests['passed']} of {tests['total']} tests passed" if tests.get("total") else "",
        covered((row.get("result") or {}).get("coverage") or {}),
        _kept((row.get("result") or {}).get("artifacts") or {}, now),
        *why(row)[:1],
    ]
    text = ", ".join(note for note in notes if note)
    return f"{ICONS.get(row['status'], '?')} {name:<9} {row['status']:<10}" + (f"  {text}" if text else "")


def covered(coverage: Document) -> str:
    """Return how much the tests covered, and by how much that is more than when the job last passed on the branch."""
    if "percent" not in coverage:
        return ""
    change = f" ({coverage['percent'] - coverage['before']:+.1f})" if "before" in coverage else ""
    return f"{coverage['percent']:.1f} % covered{change}"


def _kept(artifacts: Document, now: float) -> str:
    """Return how many files the job has left that are still kept."""
    count = artifacts.get("count", 0) if artifacts.get("expires", now + 1) > now else 0
    return f"{count} file{'s' * (count != 1)} kept" if count else ""


def failing(document: Document) -> Iterator[str]:
    """Give a line for each of the first failing tests, with the first line of what it says."""
    tests = [
        test
        for stage in document["stages"]
        for job in stage.get("jobs", [])
        for test in ((job.get("result") or {}).get("tests") or {}).get("failing", [])
    ]
    for test, name in zip(tests[:TESTS], told_apart(tests), strict=False):
        message = plain(str(test.get("message") or "").strip().split("\n")[0])
        yield f"  ✗ {plain(name)}" + (f"  {message}" if message else "")
    if len(tests) > TESTS:
        yield f"    and {len(tests) - TESTS} more"


def broken(document: Document) -> Sequence[str]:
    """Return the names of the steps that failed or ended errored, but for those that may."""
    members = [job for stage in document["stages"] for job in stage.get("jobs", [])]
    return [job["name"] for job in members if job["status"] in ("failed", "errored") and not job.get("allowed")]


def outcome(document: Document, link: str) -> Iterator[str]:
    """Give the last lines: image and how to run it, or the link and the next command."""
    number = document["number"]
    if document.get("image"):
        yield f"  image     {document['image']}"
    if document.get("released"):
        yield f"  released  {', '.join(document['released'])}"
        name = str(document["image"]).rsplit("@", 1)[0]
        yield f"  run it    docker run --rm -P --pull always {name}:{document['released'][0]}"
    yield f"  page      {link}"
    for line in document.get("notes", ()):
        yield f"  note      {plain(line)}"
    if broken(document):
        yield f"  next      farm logs {number} {broken(document)[0]}"
    elif not is_final(document):
        yield f"  next      farm watch {number}"
