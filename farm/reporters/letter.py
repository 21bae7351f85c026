"""Mail as it is written: a failure and a recovery. Nothing that a commit or a log says can become a header of it."""

import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from farm.durations import duration
from farm.pipeline import Pipeline, told_apart
from farm.plain import plain
from farm.reporters import News
from farm.reporters.streak import Streak

LINES = 15
TESTS = 5
_SUBJECT, _NAME, _LINE = 200, 100, 500  # characters
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+")
_LONGEST_ADDRESS = 254


def address_of(pipeline: Pipeline) -> Address | None:
    """Return the author's address if it is a plain one, with the name as the commit has it."""
    if not _ADDRESS.fullmatch(pipeline.email) or len(pipeline.email) > _LONGEST_ADDRESS:
        return None
    try:
        return Address(display_name=_flat(pipeline.author, _NAME), addr_spec=pipeline.email)
    except (ValueError, IndexError):  # the email package does not know it as an address
        return None


def failure(news: News, web_url: str) -> tuple[str, str]:
    """Return subject and text of the mail to who broke a branch."""
    pipeline = news.pipeline
    parts = [_head(pipeline, web_url), _flat(pipeline.reason or "", _LINE), _tests(pipeline)]
    if lines := [line for line in (_flat(plain(each), _LINE) for each in news.tail) if line][-LINES:]:
        parts.append("The last lines of the log:\n\n" + "\n".join(f"    {line}" for line in lines))
    parts.append(f"On your machine: farm show {pipeline.number}")
    return f"{_place(pipeline)} {pipeline.status}: {pipeline.subject}", "\n\n".join(filter(None, parts)) + "\n"


def recovery(news: News, web_url: str, before: Streak) -> tuple[str, str]:
    """Return subject and text of the mail to the same person when the branch is green again."""
    pipeline = news.pipeline
    broken = duration((pipeline.finished or pipeline.created) - before.since)
    after = f"Green again after {broken}, {before.pushes} {'push' if before.pushes == 1 else 'pushes'}."
    return f"{_place(pipeline)} is green again: {pipeline.subject}", f"{after}\n\n{_head(pipeline, web_url)}\n"


def letter(sender: str, to: Address, subject: str, text: str, *, identity: str, answers: str = "") -> EmailMessage:
    """Return the mail; `identity` is its Message-ID, `answers` that of the mail before it."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(display_name="farm", addr_spec=sender)
    mail["To"] = to
    mail["Subject"] = f"[farm] {_flat(subject, _SUBJECT)}"
    mail["Date"] = formatdate(localtime=False)
    mail["Message-ID"] = identity
    if answers:
        mail["In-Reply-To"] = answers
        mail["References"] = answers
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    return mail


def _head(pipeline: Pipeline, web_url: str) -> str:
    subject, author = _flat(pipeline.subject, _LINE), _flat(pipeline.author, _NAME)
    return (
        f"#{pipeline.number} {pipeline.status}: {_place(pipeline)}\n"
        f"{pipeline.commit[:7]} {subject or '(no subject)'} by {author}\n"
        f"{web_url}/pipelines/{pipeline.number}"
    )


def _tests(pipeline: Pipeline) -> str:
    failing = [
        test for job in pipeline.jobs if job.broken for test in (job.result.get("tests") or {}).get("failing") or ()
    ]
    lines = [f"- {_flat(name, _LINE)}" for name in told_apart(failing)[:TESTS]]
    if len(failing) > TESTS:
        lines.append(f"and {len(failing) - TESTS} more")
    return "\n".join(["Failing tests:", *lines]) if lines else ""


def _place(pipeline: Pipeline) -> str:
    return _flat(f"{pipeline.repository} {pipeline.branch}", _NAME)


def _flat(text: str, limit: int) -> str:
    """Return one line of text without controls; a line's end is a space, so that no header begins behind it."""
    line = plain(" ".join(text.split())).encode("utf-8", "replace").decode()
    return line if len(line) <= limit else line[: limit - 1] + "…"
