"""Secrets on the real engine: a build and a script have them, and nothing else of it shows them afterwards."""

import json
import secrets
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from farm.definition import Build, Definition, Job
from farm.errors import Canceled
from farm.pipeline import Status
from workers import build, test
from workers.docker import DockerEngine
from workers.mask import Mask
from workers.masked import MaskedLog

pytestmark = [pytest.mark.engine, pytest.mark.registry]

VALUE = "hunter's two\nlines of $it"


class Watched(DockerEngine):
    """The real engine; it keeps what can be read of a container while that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.inspected = ""

    def start(self, spec: Any, **more: Any) -> str:
        name = super().start(spec, **more)
        done = subprocess.run(["docker", "inspect", name], capture_output=True, text=True, check=True)
        self.inspected += done.stdout
        return name


def processes() -> str:
    """Return the arguments and variables of all programs on this machine, as far as they may be seen."""
    found = b""
    for process in (each for each in Path("/proc").iterdir() if each.name.isdigit()):
        with suppress(OSError):  # it has ended
            found += (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    return found.decode(errors="replace")


def hiding(said: Any, values: Mapping[str, str]) -> dict[str, Any]:
    """Return what makes a workspace one with secrets."""
    log = MaskedLog(said, values.values())
    return {"secrets": values, "log": log, "hide": log.mask.text}


def test_a_script_has_its_secrets_and_neither_log_nor_engine_nor_report_show_them(repository, workspace, images, said):
    report = '<testsuite><testcase name="has $TOKEN"><failure message="got $TOKEN"/></testcase></testsuite>'
    script = (
        "# the first line counts as it is",
        '[ "$(printf %s "$TOKEN" | sha256sum)" = "$WANTED" ] && echo same',
        'echo "$TOKEN"',
        'printf %s "$TOKEN" | base64',
        "test ! -s /.farm-secrets && echo nothing is left",
        f"cat >/tmp/report.xml <<END\n{report}\nEND",
        'echo "ends with $TOKEN" >&2; "no-such-$TOKEN"',
    )
    wanted = (
        subprocess.run(["sha256sum"], input=VALUE.encode(), capture_output=True, check=True).stdout.decode().strip()
    )
    job = Job(
        script=script, image=images.busybox, env={"WANTED": wanted}, secrets=("TOKEN",), junit=("tmp/report.xml",)
    )
    commit = repository.commit({"a": "1"})
    engine = Watched()
    work = workspace(
        commit, Definition(jobs={"test": job}), step="test", engine=engine, **hiding(said, {"TOKEN": VALUE})
    )
    outcome = test.run(work)
    work.log.close()
    assert "same\n" in said.text
    assert "nothing is left" in said.text
    assert outcome.status is Status.FAILED
    [failing] = outcome.document()["tests"]["failing"]
    assert failing["name"] == "has *** ***"  # XML makes a blank of the line end
    assert failing["message"].startswith("got ***")
    for shown in (said.text, engine.inspected, json.dumps(outcome.document()), str(outcome.reason)):
        assert "hunter" not in shown
        assert "lines of" not in shown
        assert Mask([VALUE]).text(shown) == shown


def test_a_script_that_any_user_runs_beside_a_checkout_has_them_too(repository, workspace, images, said):
    commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\nUSER nobody\n", "sub/a": "from the commit\n"})
    image = build.run(workspace(commit)).document()["image"]
    script = ("cat sub/a", 'test "$TOKEN" = hunter22', "test ! -s /.farm-secrets", "id -un")
    job = Job(script=script, checkout="/src", secrets=("TOKEN",))
    work = workspace(
        commit, Definition(jobs={"test": job}), step="test", image=image, **hiding(said, {"TOKEN": "hunter22"})
    )
    assert test.run(work).status is Status.PASSED, said.text
    assert "from the commit\nnobody\n" in said.text


def test_a_build_has_its_secrets_and_the_image_shows_nothing_of_them(
    *, repository, workspace, engine, images, image_name, said
):
    dockerfile = (
        f"FROM {images.busybox}\nRUN echo {image_name} is built without the cache\n"
        "RUN --mount=type=secret,id=TOKEN sha256sum </run/secrets/TOKEN >/sum; cat /run/secrets/TOKEN\n"
        "RUN test ! -s /run/secrets/TOKEN\n"
    )
    commit = repository.commit({"Dockerfile": dockerfile})
    work = workspace(commit, Definition(build=Build(secrets=("TOKEN",))), **hiding(said, {"TOKEN": VALUE}))
    image = build.run(work).document()["image"]
    work.log.close()
    wanted = subprocess.run(["sha256sum"], input=VALUE.encode(), capture_output=True, check=True).stdout
    assert engine.containers.run(image, ["cat", "/sum"], remove=True) == wanted
    assert "***" in said.text
    made = engine.images.get(image)
    saved = b"".join(made.save())
    for shown in (said.text, json.dumps(made.attrs), json.dumps(made.history()), saved.decode("latin-1")):
        assert "hunter" not in shown
        assert "lines of" not in shown


def test_no_program_has_a_secret_among_its_arguments_or_variables(repository, workspace, images, image_name, said):
    run = f"RUN --mount=type=secret,id=TOKEN echo {image_name} has beg''un; sleep 60\n"
    commit = repository.commit({"Dockerfile": f"FROM {images.busybox}\n{run}"})
    value = secrets.token_hex(16)  # of this test alone: programs of others are looked at, too
    seen: list[str] = []

    def look() -> None:
        if "has begun" in said.text:
            seen.append(processes())
            raise Canceled("enough was seen")

    named = Definition(build=Build(secrets=("TOKEN",)))
    with pytest.raises(Canceled):
        build.run(workspace(commit, named, check=look, **hiding(said, {"TOKEN": value})))
    [shown] = seen
    assert "--secret=id=TOKEN,src=/" in shown
    assert value not in shown
