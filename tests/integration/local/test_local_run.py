"""`farm run`: the pipeline of a clone on this machine, on the real engine."""

import os
import pty
import re
import select
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.local.conftest import Here
from tests.programs import FARM

TWO = """\
test:
  jobs:
    good: grep -q hello word.txt
    bad:
      script: [./tests.sh]
      reports: {junit: report.xml}
    after: {script: echo never, needs: bad}
"""
JOBS = """\
test:
  jobs:
    plain: echo X is $X
    called: {script: echo b, when: {variables: {X: 2}}}
    uncalled: {script: a, when: {tags: v*}}
    m: {script: echo $M, matrix: {M: [a, b]}}
    s: {script: echo shard $FARM_SHARD, parallel: 2}
    split: {script: 'echo mine $FARM_SHARD_FILES', parallel: {shards: 3, split: 't*.sh'}}
    retried: {script: 'echo try $FARM_TRY; test $FARM_TRY = 2', retry: 1}
    allowed: {script: exit 3, allow_failure: 3}
    after: {script: 'true', needs: allowed}
    artifacts: {script: 'mkdir out; echo x >out/a', artifacts: out}
    served:
      script:
        - nc -w 1 db 5432 < /dev/null
        - test "$FARM_BRANCH $FARM_REPOSITORY $CI $MODE" = "main NAME true fast"
        - test "$PWD" = /work && test -f kept.txt
      env: {MODE: fast}
      checkout: /work
      services:
        db: {image: "BUSYBOX", command: nc -ll -p 5432 -e cat, ready: {port: 5432}}
"""
REPORT = """\
#!/bin/sh
echo '<testsuite><testcase name="test_vat"><failure message="20 is not 19"/></testcase></testsuite>' > report.xml
exit 1
"""


def test_a_pipeline_that_passes_leaves_its_image_and_is_released_where_it_is_told(
    here: Here, engine: Any, registry: Any
) -> None:
    definition = "test: test -f /src/word.txt\nrelease: {tags: [latest, '{branch}', 'n{number}']}\n"
    commit = here.commit(definition, **{"word.txt": "hello\n"})
    to = ("--release", "--registry", registry.host)
    ran = here(*to)
    assert ran.code == 0, ran.out + ran.err
    assert f'{here.name} main {commit[:7]} "Fix VAT"' in ran.out
    assert "=== build ===" in ran.out
    assert "✓ test" in ran.out
    assert " | " not in ran.out
    assert engine.images.get(f"{here.image}:latest").labels["org.opencontainers.image.revision"] == commit
    assert here.left() == []
    assert f"released {registry.host}/{here.name}:main" in ran.out
    assert sorted(httpx.get(f"{registry.url}/v2/{here.name}/tags/list").json()["tags"]) == ["latest", "main"]
    here.write({"x": "y"})
    assert here(*to, "--dirty").code == 2
    assert here("test", *to).code == 2


def test_a_failing_pipeline_names_the_tests_goes_on_where_it_can_and_releases_nothing(
    here: Here, registry: Any
) -> None:
    here.commit(TWO, **{"word.txt": "hello\n", "tests.sh": REPORT})
    (here.folder / "tests.sh").chmod(0o755)
    here.git("commit", "-qam", "executable")
    ran = here("--release", "--registry", registry.host)
    assert ran.code == 1
    assert "bad | === test/bad ===" in ran.out
    assert "✓ good" in ran.out
    assert "✗ test_vat  20 is not 19" in ran.out
    assert "test/bad did not pass" in ran.out
    assert "never" not in ran.out
    assert "farm run bad --shell" in ran.out
    assert "released" not in ran.out


def test_jobs_have_what_the_farm_gives_them(here: Here, tmp_path: Path) -> None:
    text = JOBS.replace("BUSYBOX", here.busybox).replace("NAME", here.name)
    files = {"kept.txt": "", ".gitattributes": "kept.txt export-ignore\n", "t1.sh": "", "t2.sh": ""}
    here.commit(text, **files)
    names = "after allowed artifacts m.a m.b plain retried s.1 s.2 served split.1 split.2 split.3"
    assert sorted(here("--list").out.split()) == ["build", *(f"test/{name}" for name in names.split())]
    ran = here("--var", "X=2", "--artifacts", str(tmp_path / "kept"))
    assert ran.code == 0, ran.out
    assert "plain | X is 2\n" in ran.out
    assert "✓ called" in ran.out
    assert "uncalled is left out: it runs for tags v*" in ran.err
    places = [ran.out.index(line) for line in ("m.a | a\n", "m.b | b\n", "s.1 | shard 1\n", "s.2 | shard 2\n")]
    assert places == sorted(places)
    assert "1 | mine t1.sh\n" in ran.out
    assert "2 | mine t2.sh\n" in ran.out
    assert "no file is left for this shard" in ran.out
    assert "retried | --- try 2 of 2 ---\nretried | try 2\n" in ran.out
    assert "flaky, passed on try 2 of 2: script ended with exit code 1" in ran.out
    assert "failed, which is allowed, after" in ran.out
    assert re.search("✗ allowed +failed    ", ran.out)
    assert "✓ after" in ran.out
    assert "next " not in ran.out
    assert "service db is ready" in ran.out
    assert (tmp_path / "kept" / "artifacts" / "out" / "a").read_text() == "x\n"
    assert "artifacts: out (passed), kept for 30 days" in here("--dry-run").out
    assert "--var 1X=2" in here("--var", "1X=2").err


def test_the_time_of_the_whole(here: Here) -> None:
    here.commit("timeout: 3s\ntest: {jobs: {a: sleep 600, b: {script: 'true', needs: a}}}")
    ran = here()
    assert ran.code == 1, ran.out
    assert "timed out: the pipeline did not end within the 3 s that its `timeout` gives it" in ran.out
    assert here.left() == []


def test_head_counts_and_not_what_lies_beside_it(here: Here) -> None:
    """It is run in a folder below, with a detached head."""
    here.commit("test: cat sub/word.txt && ! test -e new.txt", **{"sub/word.txt": "committed\n"})
    here.git("checkout", "-q", "--detach")
    here.write({"sub/word.txt": "changed\n", "new.txt": "new\n"})
    ran = here(cwd=here.folder / "sub")
    assert ran.code == 0, ran.out
    assert "committed\n" in ran.out


def test_dirty_takes_the_files_as_they_are_but_ignored_ones(here: Here) -> None:
    """It is run in a worktree, which is a clone too."""
    here.commit("test: 'false'", **{"word.txt": "committed\n", ".gitignore": "*.log\n", "gone.txt": ""})
    here.git("worktree", "add", "-q", str(here.folder.parent / "tree"), "-b", "other")
    here.git("remote", "add", "origin", f"git@example.org:office/{here.name}.git")
    here.folder = here.folder.parent / "tree"
    here.write({"word.txt": "changed\n", "new.txt": "new\n", "trash.log": "x"})
    here.write({".farm.yml": "test: cat word.txt new.txt && ! test -e trash.log && ! test -e gone.txt"})
    (here.folder / "gone.txt").unlink()
    before = here.git("status", "--porcelain"), here.git("count-objects", "-v")
    ran = here("--dirty")
    assert ran.code == 0, ran.out
    assert "changed\nnew\n" in ran.out
    assert "with uncommitted changes" in ran.out
    assert (here.git("status", "--porcelain"), here.git("count-objects", "-v")) == before


def test_dirty_needs_no_commit(here: Here) -> None:
    here.write(
        {"Dockerfile": f"FROM {here.busybox}\nCOPY word.txt /\n", "word.txt": "x\n", ".farm.yml": "test: cat /word.txt"}
    )
    assert here("--dirty").code == 0


def test_one_stage_or_one_job_can_be_chosen(here: Here) -> None:
    here.commit("test:\n  jobs:\n    m: {script: echo ran $X, matrix: {X: [a, b]}}\n    other: 'false'\n")
    assert here("--list", "build").out == "build\n"
    assert here("--list", "test/m.b").out == "build\ntest/m.b\n"
    chosen = here("m")
    assert chosen.code == 0
    assert "ran a" in chosen.out
    assert "ran b" in chosen.out
    assert "other" not in chosen.out
    wrong = here("unti")
    assert wrong.code == 2
    assert 'no stage or job "unti"; there is build, m.a, m.b, other' in wrong.err


def test_no_definition_builds_and_says_so(here: Here) -> None:
    here.commit()
    ran = here()
    assert ran.code == 0
    assert "there is no .farm.yml: the image is built, and nothing is tested" in ran.err
    here.write({".farm.yml": "test: 'true'"})
    assert ".farm.yml is not committed (--dirty takes it)" in here("--list").err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "this repository has no commit yet; commit, or try the files as they are: farm run --dirty"),
        (("--shell", "--dirty"), "--shell needs a terminal"),
        (("--release", "--dirty"), "--release needs a registry to push to: --registry"),
    ],
)
def test_what_cannot_be_done_is_told(here: Here, arguments: tuple[str, ...], sentence: str) -> None:
    here.write({"Dockerfile": "FROM scratch\n", ".farm.yml": "test: 'true'"})
    ran = here(*arguments)
    assert ran.code == 2
    assert sentence in ran.err


def test_outside_of_a_repository(here: Here) -> None:
    ran = here(cwd=here.folder.parent)
    assert ran.code == 2
    assert ran.err == "error: this folder is in no git repository; go into a clone, or begin one: git init\n"


def test_no_engine(here: Here) -> None:
    here.commit("test: 'true'")
    here.more["DOCKER_HOST"] = "unix:///nowhere/docker.sock"
    ran = here()
    assert ran.code == 3
    assert "the Docker Engine at unix:///nowhere/docker.sock does not answer; start it or set DOCKER_HOST" in ran.err
    assert here("--dry-run").code == 0


def test_mistakes_of_the_definition(here: Here) -> None:
    here.commit("tset: pytest")
    ran = here()
    assert ran.code == 2
    assert '.farm.yml:1:1: unknown key "tset" (did you mean "test"?)' in ran.err


def test_what_needs_a_job_of_the_name_test_waits_for_it(here: Here) -> None:
    here.commit("test: {jobs: {test: 'false', after: {script: 'true', needs: test}}}")
    ran = here()
    assert ran.code == 1
    assert "test did not pass" in ran.out
    assert "=== test/after ===" not in ran.out


def test_a_build_that_breaks(here: Here) -> None:
    here.commit("test: 'true'", Dockerfile=f"FROM {here.busybox}\nRUN false\n")
    ran = here()
    assert ran.code == 1
    assert "✗ build" in ran.out
    assert "build did not pass" in ran.out


def test_the_tree_of_a_dry_run(here: Here) -> None:
    here.commit(
        "test:\n  jobs:\n    unit: {script: pytest, services: {db: 'postgres:16'}, matrix: {X: [1, 2]},\n"
        "      allow_failure: [3, 4], retry: {max: 2, on: [75, timeout]}}\n"
        "    lint: {script: ruff check, needs: unit}\n"
    )
    ran = here("--dry-run")
    assert ran.code == 0
    assert "├─ build\n" in ran.out
    assert "│  ├─ unit.1\n" in ran.out
    assert "├─ needs: unit.1, unit.2\n" in ran.out
    assert "retry: 2 on 75, timeout\n" in ran.out
    assert "allow_failure: exit code 3 or 4\n" in ran.out
    assert "└─ image: postgres:16\n" in ran.out
    assert "└─ latest (only with --release)\n" in ran.out


def test_ctrl_c_takes_all_away(here: Here, poll: Any) -> None:
    here.commit(f"test:\n  script: sleep 100\n  services: {{db: {{image: '{here.busybox}', command: sleep 100}}}}\n")
    process = here.start()
    try:
        poll(lambda: len([item for item in here.left() if item.kind == "container"]) == 2)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert b"interrupted" in out
    assert here.left() == []


def test_the_next_run_takes_away_what_a_killed_one_left(here: Here, poll: Any, engine: Any) -> None:
    here.commit(f"test:\n  script: sleep 100\n  services: {{db: {{image: '{here.busybox}', command: sleep 100}}}}\n")
    process = here.start()
    poll(lambda: len([item for item in here.left() if item.kind == "container"]) == 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert here.left()
    image = engine.images.get(f"{here.image}:latest")
    [mine] = {tag for tag in image.tags if here.farm_id in tag}
    others = f"{here.image}:run-{'0' * 12}-7"
    for name in (f"{mine}-failed", mine.replace(here.name, f"{here.name}/other"), others):
        image.tag(name)
    ran = here("build")
    assert ran.code == 0
    assert here.left() == []
    left = {tag for image in engine.images.list() for tag in image.tags if here.name in tag}
    assert left == {f"{here.image}:latest", others}, "another user's run goes on"
    engine.images.remove(others)


def test_the_worker_ends_with_the_program_that_started_it(here: Here, poll: Any) -> None:
    here.commit("test: sleep 100")
    process = here.start()
    poll(lambda: [item for item in here.left() if item.kind == "container"])
    process.kill()
    process.wait()
    poll(lambda: here.left() == [])
    poll(lambda: list((here.home / "local").iterdir()) == [])
    process.communicate()


def test_two_runs_at_a_time_let_each_other_be(here: Here, poll: Any) -> None:
    here.commit("test: 'echo begun; sleep 4; echo done'")
    first = here.start()
    poll(lambda: [item for item in here.left() if item.kind == "container"])
    second = here("build")
    out, _ = first.communicate(timeout=60)
    assert second.code == 0
    assert first.returncode == 0, out
    assert b"done\n" in out


@pytest.mark.parametrize("ends", ["'false']", pytest.param("sleep 600]\n  timeout: 2", marks=pytest.mark.long)])
def test_a_shell_where_a_job_failed(here: Here, ends: str) -> None:
    here.commit(
        f"test:\n  script: [touch /made, {ends}\n"
        f"  services: {{db: {{image: '{here.busybox}', command: nc -ll -p 5432 -e cat, ready: {{port: 5432}}}}}}\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(here.folder)
        os.execve(FARM, ["farm", "run", "--shell"], here.env)
    out = b""
    typed = False
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            out += piece
        if b"leave it to go on" in out and not typed:
            os.write(terminal, b"ls /made; nc -w 1 db 5432 </dev/null && echo up=$FARM_STEP; exit\n")
            typed = True
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1, out.decode()
    assert b"\n/made\r\n" in out, out.decode()
    assert b"\nup=test\r\n" in out


def test_included_files_are_those_of_the_commit_and_of_the_folders_that_are_named(here: Here, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "base.yml").write_text("templates: {base: {env: {A: shared}}}")
    jobs = "include: {repository: shared, file: base.yml}\ntest: {jobs: {unit: {extends: base, script: 'echo $A'}}}"
    here.commit("include: ci/jobs.yml", **{"ci/jobs.yml": jobs})
    here.write({"ci/jobs.yml": jobs.replace("unit", "dirty")})
    given = ("--with", f"shared={shared}")
    assert here("--list", *given).out == "build\ntest/unit\n"
    assert here("--list", "--dirty", *given).out == "build\ntest/dirty\n"
    assert "ci/jobs.yml:1:10: where shared is has to be said here" in here("--list").err
    ran = here(*given)
    assert (ran.code, "shared\n" in ran.out) == (0, True)


def test_submodules_come_from_where_the_clone_came_from(here: Here, tmp_path: Path) -> None:
    library, origin = tmp_path / "library.git", tmp_path / "origin.git"
    here.commit(**{"word.txt": "of the library\n"})
    here.git("clone", "-q", "--bare", ".", str(library))
    here.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    here.git("config", "--file", ".gitmodules", "submodule.lib.url", "../library.git")
    here.git("remote", "add", "origin", str(origin))
    here.commit("source: submodules\ntest: cat lib/word.txt\n")
    ran = here()
    assert ran.code == 0, ran.out
    assert "of the library" in ran.out
    assert "source: with submodules" in here("--dry-run").out
