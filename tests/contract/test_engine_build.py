"""What an engine promises about builds: who is at fault, what the log shows, that a lost lease stops it."""

import io
import secrets
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from farm.errors import Errored, Failed, LeaseLost
from workers.docker import DockerEngine, buildkit
from workers.docker.buildkit import API, CLASSIC, COMMAND
from workers.engine import BuildSpec

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("images")]

DOCKERFILE = "FROM farm-test/busybox:local\nARG WORD=nothing\nCOPY . /app\nRUN echo the word is $WORD\n"


class Log:
    """What a person would see."""

    def __init__(self) -> None:
        self.bytes = b""

    def __call__(self, piece: bytes) -> None:
        self.bytes += piece


@pytest.fixture(params=[API, COMMAND, CLASSIC])
def builders(request):
    """The engine once with each builder."""
    if request.param == COMMAND and not buildkit.command():
        pytest.skip("no docker program with BuildKit")
    return DockerEngine(builder=request.param)


def build(engine, context, log=lambda _: None, check=lambda: None, **spec: Any):
    return engine.build(context, BuildSpec(**spec), log=log, check=check)


def test_an_image_is_built_from_a_stream_and_says_who_built_it(builders, context, name):
    log = Log()
    word = secrets.token_hex(4)
    files = {"Dockerfile": DOCKERFILE, "hello.txt": "hello"}

    built = build(
        builders,
        context(files),
        log,
        args={"WORD": word},
        labels={"org.opencontainers.image.revision": word},
        tags=[f"{name}:a"],
    )

    image = builders.image(f"{name}:a")
    assert image is not None
    assert image.id == built.image_id
    assert image.labels == {"org.opencontainers.image.revision": word}
    assert built.builder == builders.info().builder
    assert f"builder: {built.builder}\n".encode() in log.bytes
    assert f"the word is {word}\n".encode() in log.bytes


def test_an_image_is_built_from_a_directory_without_what_is_ignored(builders, tmp_path, name):
    (tmp_path / "Dockerfile").write_text(
        "FROM farm-test/busybox:local\nCOPY . /app\nRUN ls /app/seen && ! ls /app/unseen\n"
    )
    (tmp_path / ".dockerignore").write_text("# not this\nunseen\n")
    (tmp_path / "seen").touch()
    (tmp_path / "unseen").touch()

    assert build(builders, Path(tmp_path), tags=[f"{name}:a"]).image_id.startswith("sha256:")


def test_a_step_that_fails_is_named_with_its_exit_code(builders, context):
    log = Log()
    files = {"Dockerfile": "FROM farm-test/busybox:local\nRUN echo last words; exit 3\n"}

    with pytest.raises(Failed, match=r"^build failed: RUN echo last words; exit 3: exit code 3$"):
        build(builders, context(files), log)

    assert b"last words\n" in log.bytes


@pytest.mark.parametrize(
    ("files", "spec", "sentence"),
    [
        ({"Dockerfile": "FROM scratch\nFOO bar\n"}, {}, r"build failed: Dockerfile, line 2: unknown instruction: FOO"),
        (
            {"hello": ""},
            {},
            r"build failed: there is no Dockerfile in the build context; add it or set build.dockerfile",
        ),
        ({"Dockerfile": "FROM scratch\nCOPY nope /\n"}, {}, r"build failed: COPY or ADD of /?nope: it is not in the"),
        ({"Dockerfile": "FROM scratch AS a\nCOPY Dockerfile /\n"}, {"target": "b"}, r"build failed: .*target.* b "),
        ({"Dockerfile": "FROM Upper:1\nRUN true\n"}, {}, r"build failed: .*(Upper|must be lowercase)"),
    ],
)
def test_the_users_mistakes_are_their_fault(builders, context, files, spec, sentence):
    with pytest.raises(Failed, match=sentence):
        build(builders, context(files), **spec)


def test_an_unknown_base_image_is_their_fault(builders, context, registry):
    with pytest.raises(Failed, match=rf"build failed: .*{registry.host}/none.*not found"):
        build(builders, context({"Dockerfile": f"FROM {registry.host}/none:1\n RUN true\n"}))


def test_a_registry_that_is_down_is_not_their_fault(builders, context, ports):
    dead = f"127.0.0.1:{ports(1)[0]}"
    with pytest.raises(Errored, match=r"a registry does not answer .*see whether this worker can reach it"):
        build(builders, context({"Dockerfile": f"FROM {dead}/none:1\n RUN true\n"}))


def test_a_lost_lease_stops_a_build_soon(builders, context):
    lost: list[float] = []
    log = Log()

    def check():
        if b"beginning\n" in log.bytes:
            lost.append(time.monotonic())
            raise LeaseLost

    marker = secrets.token_hex(8)
    files = {"Dockerfile": f"FROM farm-test/busybox:local\nRUN echo beginning; sleep 60; : {marker}\n"}
    with pytest.raises(LeaseLost):
        build(builders, context(files), log, check)

    assert time.monotonic() - lost[0] < 10  # some milliseconds where nothing else runs


def test_a_lost_lease_stops_a_build_that_waits_for_its_source(builders):
    pieces, beats = [], []

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            time.sleep(0.05)
            pieces.append(size)
            return secrets.token_bytes(min(size, 512))

    def check():
        beats.append(len(pieces))
        if len(beats) == 5:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        build(builders, Endless(), check=check)
    assert beats[-1] - beats[0] <= 40  # four times half a second, in pieces: a busy machine makes fewer


def test_secrets_reach_the_step_and_nothing_else(context, name):
    if not buildkit.command():
        pytest.skip("no docker program with BuildKit")
    log = Log()
    dockerfile = (
        "FROM farm-test/busybox:local\nRUN --mount=type=secret,id=key test $(cat /run/secrets/key) = open-sesame\n"
    )

    built = build(
        DockerEngine(), context({"Dockerfile": dockerfile}), log, secrets={"key": b"open-sesame"}, tags=[f"{name}:a"]
    )

    assert built.builder == COMMAND
    assert b"open-sesame" not in log.bytes.replace(b"= open-sesame", b"")


def test_builds_of_several_threads_do_not_disturb_each_other(context, name):
    hands = DockerEngine()
    logs = [Log() for _ in range(3)]

    def one(number):
        files = {"Dockerfile": f"FROM farm-test/busybox:local\nRUN echo {name} number {number}\n"}
        build(hands, context(files), logs[number], tags=[f"{name}:{number}"])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    for number, log in enumerate(logs):
        assert f"{name} number {number}\n".encode() in log.bytes
