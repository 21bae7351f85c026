"""farm.git against the real git program."""

import io
import os
import shutil
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from farm import git
from farm.errors import Canceled, Errored, Failed, Refused


class Origin:
    """A bare repository and a work tree that pushes to it."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.tree = folder / "origin.git", folder / "tree"
        self.run("init", "-q", "--bare", "-b", "main", str(self.bare), cwd=folder)
        self.run("init", "-q", "-b", "main", str(self.tree), cwd=folder)
        self.run("remote", "add", "origin", str(self.bare))

    def run(self, *command: str, cwd: Path | None = None) -> str:
        env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        who = ("-c", "user.name=Änne", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *who, *command], cwd=cwd or self.tree, env=env, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, files: dict[str, str], message: str = "One", branch: str = "main") -> str:
        for name, text in files.items():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(text)
        self.run("add", "-A")
        self.run("commit", "-q", "--allow-empty", "-m", message)
        self.run("push", "-q", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.run("rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path) -> Origin:
    return Origin(tmp_path)


@pytest.fixture
def mirror(tmp_path) -> Path:
    return git.mirror_path(tmp_path / "home", "team/thyme")


def test_a_commit_is_fetched_once_and_then_read_without_the_repository(origin, mirror):
    commit = origin.commit({".farm.yml": "test: make test\n", "a/b.txt": "b"}, "Fix VAT\n\nBecause.")
    assert git.ensure(mirror, str(origin.bare), commit) == commit
    origin.bare.rename(origin.bare.with_name("away"))
    assert git.ensure(mirror, str(origin.bare), commit) == commit
    said = git.describe(mirror, commit)
    assert (said.id, said.subject, said.author, said.email) == (commit, "Fix VAT", "Änne", "a@example.org")
    assert said.message == "Fix VAT\n\nBecause."
    look = git.look(mirror, str(origin.bare), commit, "refs/heads/main", ".farm.yml")
    assert look == git.Look(said, b"test: make test\n", commit, fetched=False)
    for path in ("none.txt", "a"):
        assert git.look(mirror, str(origin.bare), commit, "refs/heads/none", path) == git.Look(
            said, None, None, fetched=False
        )
    assert git.show(mirror, commit, ".farm.yml") == b"test: make test\n"
    assert git.show(mirror, commit, "a/b.txt", limit=0) == b""
    assert git.show(mirror, commit, "none.txt") is None
    assert git.show(mirror, commit, "a") is None


def test_the_archive_holds_what_a_checkout_holds(origin, mirror):
    commit = origin.commit(
        {".gitattributes": "tests export-ignore\nv export-subst\n", "tests/t": "1", "v": "$Format:%H$"}
    )
    git.ensure(mirror, str(origin.bare), commit)
    with git.archive(mirror, commit) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
    assert files["tests/t"] == b"1"
    assert files["v"] == b"$Format:%H$"


def test_an_archive_that_is_not_read_to_its_end_leaves_no_process(origin, mirror):
    commit = origin.commit({"big": "x" * 3_000_000})
    git.ensure(mirror, str(origin.bare), commit)
    with git.archive(mirror, commit) as stream:
        stream.read(10)
    with pytest.raises(ZeroDivisionError), git.archive(mirror, commit) as stream:
        stream.read(1 // 0)
    with pytest.raises(Errored, match="cannot read commit 1111111"), git.archive(mirror, "1" * 40) as stream:
        assert io.BytesIO(stream.read()).getvalue() == b""


def test_an_annotated_tag_means_its_commit(origin, mirror):
    commit = origin.commit({"a": "1"})
    origin.run("tag", "-a", "v1", "-m", "one")
    origin.run("push", "-q", "origin", "v1")
    tag = origin.run("rev-parse", "v1")
    assert tag != commit
    assert git.ensure(mirror, str(origin.bare), tag) == commit
    assert git.ls_remote(str(origin.bare)) == {"refs/heads/main": commit, "refs/tags/v1": tag}


def test_a_commit_that_was_force_pushed_away_is_taken_while_the_server_has_it(origin, mirror):
    origin.commit({"a": "1"})
    lost = origin.commit({"a": "2"})
    origin.run("reset", "-q", "--hard", "HEAD~1")
    origin.commit({"a": "3"})
    assert git.ensure(mirror, str(origin.bare), lost) == lost


def test_a_commit_that_is_gone_fails_with_a_sentence(origin, mirror):
    origin.commit({"a": "1"})
    with pytest.raises(
        Failed, match=r"^commit 1111111 is gone from .*origin\.git: it was force-pushed away; push it again$"
    ):
        git.ensure(mirror, str(origin.bare), "1" * 40)


def test_a_repository_that_is_gone_errs_with_a_sentence(tmp_path, mirror):
    with pytest.raises(
        Errored, match=r"git cannot read .*gone\.git: '.*' does not appear to be a git repository; check"
    ):
        git.ensure(mirror, str(tmp_path / "gone.git"), "1" * 40)
    with pytest.raises(Errored, match=r"gone\.git"):
        git.ls_remote(str(tmp_path / "gone.git"))


def test_a_deleted_branch_makes_room_for_one_below_it(origin, mirror):
    first = origin.commit({"a": "1"}, branch="topic")
    git.fetch(mirror, str(origin.bare))
    origin.run("push", "-q", "origin", ":refs/heads/topic")
    second = origin.commit({"a": "2"}, branch="topic/one")
    git.fetch(mirror, str(origin.bare))
    assert git.find(mirror, first) == first
    assert git.find(mirror, second) == second


def test_a_mirror_with_a_stale_lock_or_a_torn_object_is_made_anew(origin, mirror):
    first = origin.commit({"a": "1"})
    git.ensure(mirror, str(origin.bare), first)
    (mirror / "refs/heads/main.lock").touch()
    second = origin.commit({"a": "2"})
    assert git.ensure(mirror, str(origin.bare), second) == second
    torn = mirror / "objects" / second[:2] / second[2:]
    torn.chmod(0o644)
    torn.write_bytes(b"")
    assert git.ensure(mirror, str(origin.bare), second) == second


@pytest.mark.parametrize("torn", [False, True])
def test_a_mirror_whose_deletion_was_interrupted_is_made_anew(origin, mirror, monkeypatch, torn):
    """A worker that is killed while it makes room, or mends a torn mirror, leaves none that nobody can use."""
    commit = origin.commit({"a": "1"})
    git.ensure(mirror, str(origin.bare), commit)
    rmtree = shutil.rmtree

    def killed(folder, **_: bool):
        if Path(folder).exists():
            rmtree(Path(folder) / "objects")
            raise KeyboardInterrupt

    newer = origin.commit({"a": "2"})
    if torn:
        (mirror / "refs/heads/main.lock").touch()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            git.ensure(mirror, str(origin.bare), newer) if torn else git.forget(mirror)
    assert git.ensure(mirror, str(origin.bare), commit) == commit
    assert list(git.mirrors(mirror.parents[2])) == [mirror]
    assert sorted(path.name for path in mirror.parent.iterdir()) == ["thyme.git", "thyme.lock"]


def test_many_fetch_at_once(origin, mirror):
    commits = [origin.commit({"a": str(n)}, branch=f"b{n}") for n in range(6)]
    errors = []

    def work(commit):
        try:
            git.ensure(mirror, str(origin.bare), commit)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(commit,)) for commit in commits]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not errors


def test_a_fetch_that_waits_is_stopped_by_its_check(origin, mirror, tmp_path):
    commit = origin.commit({"a": "1"})
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "git").write_text(f"#!/bin/sh\nexec cat {fifo}\n")
    (slow / "git").chmod(0o755)

    def check():
        raise Canceled("canceled")

    git.fetch(mirror, str(origin.bare))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
        with pytest.raises(Canceled):
            git.fetch(mirror, str(origin.bare), check=check)
    assert git.find(mirror, commit)


def test_the_environment_of_a_hook_does_not_leak_in(origin, mirror, monkeypatch):
    commit = origin.commit({"a": "1"})
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_QUARANTINE_PATH", "/nowhere")
    assert git.ensure(mirror, str(origin.bare), commit) == commit


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a repository to another user")
def test_a_repository_of_another_user_is_read(origin, mirror):
    commit = origin.commit({"a": "1"})
    for folder, _, names in os.walk(origin.bare):
        os.chown(folder, 65534, 65534)
        for name in names:
            os.chown(Path(folder, name), 65534, 65534)
    assert git.ensure(mirror, str(origin.bare), commit) == commit
    assert git.ensure(mirror, f"file://{origin.bare}", commit) == commit
    assert git.ls_remote(str(origin.bare)) == {"refs/heads/main": commit}


@pytest.mark.parametrize(
    "url",
    [
        *("ext::sh -c id", "--upload-pack=x", "relative/path", "fd::3", "a\nb", "gopher://x/y", ""),
        *("https://[x/y", "ssh://h:99999/x", "ssh://h:port/x"),
    ],
)
def test_urls_that_git_must_not_see(url):
    with pytest.raises(Refused, match="no clone URL"):
        git.checked(url)


@pytest.mark.parametrize(
    "url", ["/srv/a b.git", "file:///a", "ssh://git@h:22/a", "https://h/a", "git@example.org:a/b.git", "h:a"]
)
def test_urls_that_git_may_see(url):
    assert git.checked(url) == url


def test_arguments_are_guarded(mirror):
    for bad in ("--output=/etc/passwd", "HEAD", "main..x", "1" * 39):
        with pytest.raises(Refused):
            git.find(mirror, bad)
    with pytest.raises(Refused):
        git.show(mirror, "1" * 40, "/etc/passwd")
    for name in ("../x", "/x", "-x", "", ".hidden"):
        with pytest.raises(Refused):
            git.mirror_path(Path("/home"), name)


def test_a_password_in_a_url_is_never_shown():
    assert git.shown("https://me:secret@example.org/a.git") == "https://example.org/a.git"
    assert git.shown("git@example.org:a.git") == "git@example.org:a.git"


@pytest.mark.parametrize(
    "message", ["\n\n  Two\nlines \n\nbody\n", "", "x" * 300, "Ünï\n \nrest", "one\ntwo\n\n\nthree"]
)
@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1"])
def test_a_commit_is_read_as_git_reads_it(origin, mirror, message, encoding):
    tree = origin.run("write-tree")
    content = f"tree {tree}\nauthor Änne A <a@x> 1700000000 +0100\ncommitter Bo <b@x> 1700000001 +0100\n"
    content += ("" if encoding == "UTF-8" else f"encoding {encoding}\n") + f"\n{message}"
    command = ["git", "hash-object", "-t", "commit", "-w", "--stdin"]
    done = subprocess.run(command, cwd=origin.tree, input=content.encode(encoding), check=True, capture_output=True)
    commit = done.stdout.decode().strip()
    origin.run("push", "-q", "origin", f"{commit}:refs/heads/main")
    said = git.look(mirror, str(origin.bare), commit, "refs/heads/main", "none").commit
    assert said == git.describe(mirror, commit)
    form = "--format=%s%x00%an%x00%ae%x00%ct"
    subject, author, email, when = origin.run("log", "-1", "--encoding=UTF-8", form, commit).split("\0")
    assert (said.subject, said.author, said.email, said.time) == (subject, author, email, float(when))


def test_a_git_that_is_slow_to_read_is_told_more_than_fits_into_a_pipe(origin, mirror, tmp_path, monkeypatch):
    commit = git.ensure(mirror, str(origin.bare), origin.commit({"a": "a"}))
    lost = [f"{number:040x}" for number in range(1, 5000)]
    (tmp_path / "git").write_text(f'#!/bin/sh\nsleep 0.4\nexec {shutil.which("git")} "$@"\n')
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert [each.id for each in git.commits(mirror, [*lost, commit])] == [commit]


def test_the_host_of_a_clone_url():
    urls = ("/srv/a.git", "file:///srv/a.git", "git@example.org:a.git", "ssh://me@example.org:22/a", "https://x:y@h/a")
    assert [git.host(url) for url in urls] == ["", "", "example.org", "example.org", "h"]
    assert [git.local(url) for url in urls[:3]] == [Path("/srv/a.git"), Path("/srv/a.git"), None]


def test_a_repository_of_the_other_kind_of_ids_is_mirrored(origin, mirror, tmp_path):
    commit = origin.commit({"a": "1"})
    git.ensure(mirror, str(origin.bare), commit)
    other = tmp_path / "sha256.git"
    origin.run("init", "-q", "--bare", "--object-format=sha256", "-b", "main", str(other))
    ident = origin.run("commit-tree", "-m", "One", origin.run("mktree", cwd=other), cwd=other)
    origin.run("update-ref", "refs/heads/main", ident, cwd=other)
    look = git.look(mirror, str(other), ident, "refs/heads/main", ".farm.yml")
    assert (look.commit.id, look.tip, len(ident)) == (ident, ident, 64)


def test_a_repository_whose_history_is_cut_off_is_mirrored_with_its_refs(origin, mirror, tmp_path):
    for number in range(3):
        tip = origin.commit({"a": str(number)})
    origin.run("clone", "-q", "--bare", "--depth=1", f"file://{origin.bare}", str(tmp_path / "shallow.git"))
    look = git.look(mirror, str(tmp_path / "shallow.git"), tip, "refs/heads/main", "a")
    assert (look.text, look.tip) == (b"2", tip)
    assert [each.id for each in git.since(mirror, (), tip, limit=9)] == [tip]


def test_a_tag_of_something_else_than_a_commit_fails_with_a_sentence(origin, mirror):
    origin.commit({"a": "1"})
    origin.run("tag", "-a", "-m", "a key", "key", "HEAD:a")
    origin.run("push", "-q", "origin", "key")
    tag = origin.run("rev-parse", "key")
    with pytest.raises(Failed, match=rf"^{tag[:7]} leads to a blob, not to a commit: there is nothing to build; tag "):
        git.look(mirror, str(origin.bare), tag, "refs/tags/key", ".farm.yml")


def test_what_a_mirror_lacks_errs_with_a_sentence(origin, mirror):
    commit = origin.commit({"a": "1"})
    git.ensure(mirror, str(origin.bare), commit)
    with pytest.raises(Errored, match=r"git cannot read .*thyme\.git: "):
        git.among(mirror, "1" * 40, [commit])
