"""Git servers for tests: git's own http-backend behind a password, and a private sshd that lets a key in."""

import base64
import contextlib
import getpass
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class GitHttp(ThreadingHTTPServer):
    """Serves the bare repositories of a folder to whoever brings the password; with `elsewhere` it sends all there."""

    daemon_threads = True

    def __init__(self, folder: Path, user: str, password: str, elsewhere: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.elsewhere = folder, elsewhere
        self.wanted = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        self.given: list[str | None] = []
        self.commands: set[str] = set()
        self.url = f"http://127.0.0.1:{self.server_port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator["GitHttp"]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: GitHttp

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        given = self.headers.get("Authorization")
        self.server.given.append(given)
        self.server.commands |= _commands()
        if self.server.elsewhere:
            self._short(302, "Location", self.server.elsewhere + self.path)
        elif given != self.server.wanted:
            self._short(401, "WWW-Authenticate", 'Basic realm="git"')
        else:
            self._backend()

    def _short(self, status: int, name: str, value: str) -> None:
        self.send_response(status)
        self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _backend(self) -> None:
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": self.headers.get("Content-Length", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        done = subprocess.run(["git", "http-backend"], env=env, input=body, stdout=subprocess.PIPE, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((value for name, value in fields if name == "Status"), "200")
        self.send_response(int(status.split()[0]))
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


def _commands() -> set[str]:
    """Return the command lines of all processes, as `ps` shows them to everybody."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


@contextlib.contextmanager
def sshd(folder: Path, need: Callable[..., str], port: int, poll: Callable[..., Any]) -> Iterator[str]:
    """Give the begin of a URL at which a private sshd lets this user in with the key `user` of the folder.

    Its own key is `host` there; `known_hosts` pins it, and `wrong_hosts` another one.
    """
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin") or need("sshd")
    for name in ("host", "other", "user"):
        subprocess.run([need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    for file, key in (("known_hosts", "host"), ("wrong_hosts", "other")):
        (folder / file).write_text(f"[127.0.0.1]:{port} {(folder / f'{key}.pub').read_text()}")
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n"
    )
    empty = Path("/run/sshd")  # sshd started by root locks itself in there; a package's service would make it
    made = False
    if os.geteuid() == 0:
        with contextlib.suppress(FileExistsError):
            empty.mkdir(mode=0o755)
            made = True
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", config], stderr=log)
    try:
        poll(lambda: "Server listening" in (folder / "sshd.log").read_text(), deadline=30, what="sshd to listen")
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        if made:
            with contextlib.suppress(OSError):
                empty.rmdir()
