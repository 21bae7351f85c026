"""What a build and a job see of a commit with submodules and Git LFS is what a checkout of it has."""

import hashlib
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from farm.definition import Build, Definition, Job
from farm.errors import Errored, Failed
from farm.git.submodules import resolved
from workers import test
from workers.source import context
from workers.tree import gather
from workers.workspace import Workspace

BOTH = Definition(source=("lfs", "submodules"))
PNG = bytes(range(256)) * 40


class Origin:
    """A bare repository with a clone whose commits are pushed to it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.bare, self.tree = folder / f"{name}.git", folder / f"{name}-tree"
        self.git("init", "-q", "--bare", "-b", "main", str(self.bare), cwd=folder)
        self.git("clone", "-q", f"file://{self.bare}", str(self.tree), cwd=folder)
        self.git("checkout", "-q", "-B", "main")

    def git(self, *command: str, cwd: Path | None = None) -> str:
        options = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
        env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", *options, *command], cwd=cwd or self.tree, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def push(self, files: dict[str, str | bytes], *options: str) -> str:
        for name, content in files.items():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")
        self.git("push", "-q", *options, "origin", "main")
        return self.git("rev-parse", "HEAD")

    def link(self, path: str, other: "Origin", url: str) -> None:
        """Add another repository as a submodule that is written down with this URL."""
        self.git("submodule", "--quiet", "add", f"file://{other.bare}", path)
        self.git("config", "--file", ".gitmodules", f"submodule.{path}.url", url)

    def checked_out(self, folder: Path) -> dict[str, bytes]:
        """Return the files of a real checkout, submodules and all."""
        self.git("clone", "-q", "--recurse-submodules", f"file://{self.bare}", str(folder), cwd=folder.parent)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths if ".git" not in path.parts}


Lay = Callable[..., Workspace]


@pytest.fixture
def laid_out(workspace) -> Lay:
    """`laid_out(origin, commit, definition)` is the workspace for a push of it."""

    def lay(origin: Origin, commit: str, definition: Definition, **other: object) -> Workspace:
        work = workspace(commit, definition, **other)
        return replace(work, claim=replace(work.claim, url=f"file://{origin.bare}"))

    return lay


@pytest.fixture
def origins(tmp_path) -> tuple[Origin, Origin, Origin]:
    """A repository with a submodule that has one itself."""
    main, library, deep = (Origin(tmp_path, name) for name in ("main", "library", "deep"))
    deep.push({"deep.txt": "deep", ".gitattributes": "hidden.txt export-ignore\n", "hidden.txt": "h"})
    library.link("vendor/deep", deep, "../deep.git")
    library.push({"lib.c": "int x;", "app/Dockerfile": "FROM scratch\n", "app/main.c": "m"})
    main.link("libs/one", library, "../library.git")
    return main, library, deep


def seen(stream) -> dict[str, bytes]:
    """Return the files of a tar by name."""
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}


def test_submodules_of_submodules_are_as_in_a_checkout(tmp_path, origins, laid_out):
    main = origins[0]
    commit = main.push({"Dockerfile": "FROM scratch\n", "a.txt": "a", "zz/" + "n" * 120: "long"})
    whole = gather(laid_out(main, commit, Definition(source=("submodules",))))
    with context(whole, Build()) as stream:
        assert seen(stream) == main.checked_out(tmp_path / "checkout")
    with context(gather(laid_out(main, commit, Definition())), Build()) as stream:
        assert sorted(seen(stream)) == [".gitmodules", "Dockerfile", "a.txt", "zz/" + "n" * 120]


def test_a_context_in_a_submodule_and_one_with_some_below_it(origins, laid_out):
    main = origins[0]
    commit = main.push({"libs/Dockerfile": "FROM scratch\n", "libs/.dockerignore": "one/app\n", "a.txt": "a"})
    whole = gather(laid_out(main, commit, Definition(source=("submodules",))))
    with context(whole, Build(context="libs/one/app")) as stream:
        assert sorted(seen(stream)) == ["Dockerfile", "main.c"]
    with pytest.raises(Failed, match="no Dockerfile"), context(whole, Build(context="libs/one")):
        pass
    with context(whole, Build(context="libs")) as stream:
        found = sorted(seen(stream))
    assert [name for name in found if "gitmodules" not in name and "gitattr" not in name] == [
        ".dockerignore",
        "Dockerfile",
        "one/lib.c",
        "one/vendor/deep/deep.txt",
        "one/vendor/deep/hidden.txt",
    ]


def test_a_commit_that_the_submodule_lacks(origins, laid_out):
    main, library, _ = origins
    (main.tree / "libs/one/new").write_text("never pushed")
    main.git("add", "-A", cwd=main.tree / "libs/one")
    main.git("commit", "-q", "-m", "x", cwd=main.tree / "libs/one")
    commit = main.push({"a.txt": "a"})
    with pytest.raises(
        Failed, match=rf'^the submodule "libs/one" is at \w+, which file://{library.bare} lacks; push it'
    ):
        gather(laid_out(main, commit, BOTH))


def test_a_submodule_without_url(origins, laid_out):
    main = origins[0]
    main.git("config", "--file", ".gitmodules", "--remove-section", "submodule.libs/one")
    with pytest.raises(Failed, match=r'the submodule "libs/one" has no url in \.gitmodules'):
        gather(laid_out(main, main.push({"a": "a"}), BOTH))


@pytest.mark.parametrize(
    ("url", "given", "expected"),
    [
        ("ssh://git@host/team/main.git", "../lib.git", "ssh://git@host/team/lib.git"),
        ("https://u:p@host/team/main.git", "../../../../lib.git", "https://u:p@host/lib.git"),
        ("git@host:team/main.git", "../lib.git", "git@host:team/lib.git"),
        ("git@host:main.git", "./lib.git", "git@host:main.git/lib.git"),
        ("/srv/git/main.git", "../lib.git", "/srv/git/lib.git"),
        ("file:///srv/git/main.git", "../lib.git", "file:///srv/git/lib.git"),
        ("/srv/git/main.git", "https://host/lib.git", "https://host/lib.git"),
    ],
)
def test_where_a_submodule_is(url, given, expected):
    assert resolved(url, given) == expected


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("ssh://git@host/main.git", "/srv/git/secret.git"),
        ("ssh://git@host/main.git", "file:///srv/git/secret.git"),
        ("/srv/git/main.git", "/var/lib/farm/mirrors/secret.git"),
        ("ssh://git@host/main.git", "ext::sh -c touch% /tmp/x"),
        ("ssh://git@host/main.git", "--upload-pack=touch /tmp/x"),
        ("git@host:main.git", "../../lib.git"),
        ("ssh://git@host/main.git", "lib.git"),
        ("ssh://git@host/main.git", "https://[host/lib.git"),
    ],
)
def test_where_a_submodule_may_not_be(url, given):
    with pytest.raises(Failed, match=r'^the submodule "libs/one"'):
        resolved(url, given, "libs/one")


@pytest.fixture
def with_lfs(tmp_path, need) -> Origin:
    """A repository with a file in LFS."""
    need("git-lfs")
    origin = Origin(tmp_path, "main")
    origin.git("lfs", "install", "--local")
    origin.push({".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\n", "Dockerfile": "FROM scratch\n"})
    return origin


def test_what_lfs_holds_is_filled_in(with_lfs, laid_out):
    commit = with_lfs.push({"art/logo.png": PNG, "a.txt": "a"})
    with context(gather(laid_out(with_lfs, commit, Definition(source=("lfs",)))), Build()) as stream:
        assert seen(stream)["art/logo.png"] == PNG
    with context(gather(laid_out(with_lfs, commit, Definition())), Build()) as stream:
        assert seen(stream)["art/logo.png"].startswith(b"version https://git-lfs")


def test_a_file_that_lfs_lacks(with_lfs, laid_out):
    commit = with_lfs.push({"logo.png": PNG})
    for path in (with_lfs.bare / "lfs" / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(
        Failed, match=rf"^Git LFS lacks files of {commit[:7]}; push them with `git lfs push --all origin`"
    ):
        gather(laid_out(with_lfs, commit, Definition(source=("lfs",))))


@pytest.mark.parametrize("url", ["file://{secret}", "https://["])
def test_a_tree_cannot_send_lfs_to_another_repository_of_this_disk(tmp_path, with_lfs, laid_out, url):
    secret = Origin(tmp_path, "secret")
    secret.git("lfs", "install", "--local")
    secret.push({".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\n", "secret.png": PNG})
    pointer = secret.git("show", "HEAD:secret.png") + "\n"
    with_lfs.git("lfs", "uninstall", "--local")
    thief = {".lfsconfig": f"[lfs]\n\turl = {url.format(secret=secret.bare)}\n", "stolen.png": pointer}
    commit = with_lfs.push(thief, "--no-verify")
    with_lfs.git("push", "-q", "--no-verify", "origin", "main:master")  # git-lfs reads the one of a bare mirror's HEAD
    with pytest.raises(Failed, match="Git LFS lacks files"):
        gather(laid_out(with_lfs, commit, Definition(source=("lfs",))))


class LfsServer(BaseHTTPRequestHandler):
    """The download half of the LFS batch API; what the API does not allow is refused."""

    objects: ClassVar[dict[str, bytes]] = {}

    def do_POST(self) -> None:
        kind = "application/vnd.git-lfs+json"
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fits = kind in self.headers["Accept"] and kind in self.headers["Content-Type"]
        if self.path != "/store/objects/batch" or not fits or asked["operation"] != "download":
            return self._answer(422, b"{}")
        found = [
            {"oid": each["oid"], "size": each["size"]}
            | (
                {"actions": {"download": {"href": f"http://{self.headers['Host']}/store/{each['oid']}"}}}
                if each["oid"] in self.objects
                else {"error": {"code": 404, "message": "Object does not exist"}}
            )
            for each in asked["objects"]
        ]
        return self._answer(200, json.dumps({"transfer": "basic", "objects": found}).encode(), kind)

    def do_GET(self) -> None:
        content = self.objects.get(self.path.removeprefix("/store/"))
        self._answer(200 if content else 404, content or b"")

    def _answer(self, status: int, content: bytes, kind: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def lfs_server() -> Iterator[str]:
    LfsServer.objects = {hashlib.sha256(PNG).hexdigest(): PNG}
    with ThreadingHTTPServer(("127.0.0.1", 0), LfsServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/store"
        server.shutdown()


def test_lfs_by_http(with_lfs, laid_out, lfs_server):
    with_lfs.git("lfs", "uninstall", "--local")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
    there = {"logo.png": pointer.format(hashlib.sha256(PNG).hexdigest(), len(PNG))}
    commit = with_lfs.push({".lfsconfig": f"[lfs]\n\turl = {lfs_server}\n", **there}, "--no-verify")
    with context(gather(laid_out(with_lfs, commit, Definition(source=("lfs",)))), Build()) as stream:
        assert seen(stream)["logo.png"] == PNG
    commit = with_lfs.push({"logo.png": pointer.format("0" * 64, 5)}, "--no-verify")
    with pytest.raises(Failed, match="Git LFS lacks files"):
        gather(laid_out(with_lfs, commit, Definition(source=("lfs",))))


def test_without_the_program(with_lfs, laid_out, monkeypatch, tmp_path):
    commit = with_lfs.push({"logo.png": PNG})
    work = laid_out(with_lfs, commit, Definition(source=("lfs",)))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to("/usr/bin/git")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(Errored, match=r"needs the program git-lfs on this worker; install it"):
        gather(work)


@pytest.mark.engine
def test_a_job_has_them_in_its_checkout(origins, laid_out, images, said):
    main = origins[0]
    commit = main.push({"a.txt": "a"})
    job = Job(script=("cat libs/one/vendor/deep/deep.txt", "touch libs/one/x"), checkout="/src", image=images.busybox)
    definition = Definition(source=("submodules",), jobs={"test": job})
    outcome = test.run(laid_out(main, commit, definition, step="test"))
    assert outcome.reason is None
    assert "deep" in said.text
