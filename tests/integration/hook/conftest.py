"""A bare repository with the real hook, a real git that pushes to it, and a farm behind it that can misbehave."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from farm.cli import installing

SCRIPT = installing._script()
PATIENT = SCRIPT.replace(b"\nPATIENCE = 1.15 ", b"\nPATIENCE = 30.0 ")


@dataclass
class Door:
    """What listens where the farm should: it keeps what it was asked and answers as `mood` says."""

    mood: str = "ok"
    status: int = 200
    status_of_pipelines: str = "pending"
    detail: str = "no"
    lines: list[str] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    refuse: Callable[[dict[str, Any]], bool] = lambda _: False
    documents: Callable[[str], dict[str, Any]] = lambda _: {}
    headers: list[str] = field(default_factory=list)
    delay: float = 0.0

    def __post_init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.over = threading.Event()
        self.helpers: list[threading.Thread] = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def updates(self) -> list[dict[str, Any]]:
        return [update for asked in self.asked for update in asked["updates"]]

    def serve(self) -> None:
        while not self.over.is_set():
            with suppress(OSError):
                connection, _ = self.socket.accept()
                helper = threading.Thread(target=self.talk, args=(connection,))
                helper.start()
                self.helpers.append(helper)

    def talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(60)
            data = b""
            while b"\r\n\r\n" not in data:
                data += self.more(connection)
            head, _, content = data.partition(b"\r\n\r\n")
            length = int(next(line.split(b":")[1] for line in head.split(b"\r\n") if b"Content-Length" in line))
            while len(content) < length:
                content += self.more(connection)
            if content:
                self.asked.append(json.loads(content))
                self.headers.append(head.decode())
            path = head.split(b" ")[1].decode()
            status, document = self.answer(path, json.loads(content) if content else None)
            body = json.dumps(document).encode()
            self.reply(
                connection, b"HTTP/1.1 %d Word\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body, self.mood
            )

    def reply(self, connection: socket.socket, answer: bytes, mood: str) -> None:
        if mood == "hang":
            self.over.wait(30)
        elif mood == "trickle":
            for place in range(len(answer)):
                connection.sendall(answer[place : place + 1])
                if self.over.wait(0.1):
                    return
        elif mood == "garbage":
            connection.sendall(b"220 mail.example ESMTP\r\n")
        elif mood == "web":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>")
        else:
            self.over.wait(self.delay)
            connection.sendall(answer)

    @staticmethod
    def more(connection: socket.socket) -> bytes:
        chunk = connection.recv(65536)
        if not chunk:
            raise OSError
        return chunk

    def answer(self, path: str, asked: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        if asked is None:
            return 200, self.documents(path)
        if self.status != 200:
            return self.status, {"detail": self.detail}
        if any(self.refuse(update) for update in asked["updates"]):
            return 422, {"detail": self.detail}
        pipelines = [
            {
                "id": update["id"],
                "number": number,
                "status": self.status_of_pipelines,
                "url": f"{self.url}/pipelines/{number}",
            }
            for number, update in enumerate(asked["updates"], 218)
        ]
        return 200, {"pipelines": pipelines, "lines": self.lines}

    def close(self) -> None:
        self.over.set()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=30):
            pass
        self.thread.join()
        self.socket.close()
        for helper in self.helpers:
            helper.join()


@dataclass(frozen=True)
class Pushed:
    """What a person sees of one `git push`, and how long it took."""

    code: int
    output: str
    seconds: float


class Git:
    """A bare repository `thyme.git` and a clone of it, with a git that reads no settings of this machine."""

    def __init__(self, folder: Path, *, form: str = "sha1") -> None:
        self.folder = folder
        self.bare = folder / "thyme.git"
        self.work = folder / "work"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
        }
        (folder / "gitconfig").write_text(
            "[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n[color]\nui = never\n"
        )
        self("init", "--bare", "-q", f"--object-format={form}", str(self.bare), cwd=folder)
        self("init", "-q", f"--object-format={form}", str(self.work), cwd=folder)
        self("config", "core.logAllRefUpdates", "always", cwd=self.bare)
        self("config", "receive.advertisePushOptions", "true", cwd=self.bare)
        self("remote", "add", "origin", str(self.bare))

    def __call__(self, *arguments: str, cwd: Path | None = None, check: bool = True) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.work, env=self.env, check=False, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, subject: str = "Fix VAT") -> str:
        self("commit", "-q", "--allow-empty", "-m", subject)
        return self("rev-parse", "HEAD")

    def push(self, *arguments: str) -> Pushed:
        start = time.monotonic()
        done = subprocess.run(
            ["git", "push", "-q", "origin", *arguments], cwd=self.work, env=self.env, check=False, capture_output=True
        )
        return Pushed(done.returncode, done.stderr.decode(), time.monotonic() - start)

    def install(self, url: str, *, prompt: bool = False) -> None:
        hook = self.bare / "hooks/post-receive"
        hook.write_bytes(SCRIPT if prompt else PATIENT)
        hook.chmod(0o755)
        (self.bare / "farm").mkdir(exist_ok=True)
        settings = {"url": url, "token": "secret-of-thyme", "repository": "thyme"}
        (self.bare / "farm/hook.json").write_text(json.dumps(settings))

    def spool(self, folder: str = "spool") -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((self.bare / "farm" / folder).glob("*.json"))]

    def deliver(self) -> "subprocess.CompletedProcess[str]":
        command = [str(self.bare / "hooks/post-receive"), "--deliver", str(self.bare)]
        return subprocess.run(command, env=self.env, check=False, capture_output=True, text=True)

    def lingering(self) -> list[Path]:
        """Return the processes that go on trying to deliver, as folders of /proc."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                links = [str(link.readlink()) for link in process.glob("fd/*") if link.is_symlink()]
                if str(self.bare / "farm/linger.lock") in links:
                    found.append(process)
        return found

    def close(self) -> None:
        """Leave nothing behind: without settings nobody goes on trying."""
        (self.bare / "farm/hook.json").unlink(missing_ok=True)
        for process in self.lingering():
            with suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGTERM)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hooks wait for the farm's lines as long as a busy machine takes, except `git.install(url, prompt=True)`."""
    assert PATIENT != SCRIPT
    monkeypatch.setattr(installing, "_script", lambda: PATIENT)


@pytest.fixture
def door() -> Iterator[Door]:
    """The farm's door: `.mood` is ok, hang, trickle, garbage or web."""
    door = Door()
    yield door
    door.close()


@pytest.fixture
def git(tmp_path: Path, need: Callable[..., str], door: Door) -> Iterator[Git]:
    """A repository whose hook knows the door."""
    need("git")
    git = Git(tmp_path)
    git.install(door.url)
    yield git
    git.close()


@pytest.fixture
def gits(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Git]:
    """`gits(form="sha256")` makes another repository."""
    return lambda **keys: Git(tmp_path_factory.mktemp("git"), **keys)
