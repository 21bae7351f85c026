"""A Docker Engine that dies or is told to end while it works for a step: ours, never the pushed code's fault."""

import gc
import io
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable

import pytest

from farm.errors import Errored, Failed
from tests.hosts import engines
from tests.hosts.machines import network, until
from workers.docker import DockerEngine, buildkit
from workers.engine import BuildSpec, ContainerSpec, Exit, Owner

pytestmark = pytest.mark.engine
AWAY = "the Docker Engine at unix:.* (does not answer|was started anew)"
LOOP = "echo begun; while :; do sleep 0.1; done"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with network(tmp_path_factory.mktemp("machines")) as net:
        machine = net.machine("m1")
        engines.start(machine)
        command = [engines.DOCKER, "-H", engines.socket(machine), "import", "-", "busybox:local"]
        subprocess.run(command, input=root(), check=True, capture_output=True)
        yield machine


@pytest.fixture
def engine(machine):
    engine = DockerEngine(engines.socket(machine))
    engine.info()
    yield engine
    machine.kill("engine")
    engines.start(machine)
    for item in engine.objects({}):
        engine.remove(item.kind, item.name)
    del engine
    gc.collect()


def root() -> bytes:
    applets = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        for applet in applets:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            if applet != "busybox":
                tar.addfile(link)
    return buffer.getvalue()


def context(dockerfile: str) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        tar.addfile(entry, io.BytesIO(dockerfile.encode()))
    buffer.seek(0)
    return buffer


def once(machine, number, word):
    """Return an output that sends the engine a signal as soon as it hears the word."""
    heard, sent = bytearray(), []

    def output(data: bytes) -> None:
        heard.extend(data)
        if word in heard and not sent:
            sent.append(True)
            machine.signal("engine", number)

    return output


HOW = pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to end"])


@HOW
@pytest.mark.parametrize(
    "script",
    [
        pytest.param("echo begun; sleep 600", id="that is killed", marks=pytest.mark.long),
        pytest.param(f"trap 'echo told; exit 1' TERM; {LOOP}", id="that fails when it is told to end"),
        pytest.param(f"trap 'exit 0' TERM; {LOOP}", id="that passes when it is told to end"),
    ],
)
def test_during_a_test(machine, engine, number, script):
    with pytest.raises(Errored, match=AWAY):
        judged(engine, script, once(machine, number, b"begun"))


def test_one_that_is_back_at_once(machine, engine):
    """Whoever asks how the script ended asks the successor, who has killed it."""

    def anew(_: bytes) -> None:
        machine.kill("engine")
        engines.start(machine)

    with pytest.raises(Errored, match=AWAY):
        judged(engine, f"trap 'exit 0' TERM; {LOOP}", anew)


def test_one_that_lives_says_nothing(engine):
    assert judged(engine, "exit 3", lambda _: None).code == 3


@HOW
@pytest.mark.parametrize(
    "builder",
    [
        buildkit.API,
        pytest.param(buildkit.COMMAND, marks=pytest.mark.long),
        pytest.param(buildkit.CLASSIC, marks=pytest.mark.long),
    ],
)
def test_during_a_build(machine, engine, number, builder):
    engine = DockerEngine(engines.socket(machine), builder=builder)
    tree = context(f"FROM busybox:local\nRUN echo beginning; sleep 20; : '{number} {builder}'\n")
    log = once(machine, number, b"beginning\n")

    def build() -> None:
        with engine.unbroken() as unbroken:
            try:
                engine.build(tree, BuildSpec(), log=log, check=lambda: None)
            except Failed:
                unbroken()
                raise

    with pytest.raises(Errored, match=f"{AWAY}|without a word"):
        build()


def test_one_that_ends_slowly_takes_no_more_work(machine, engine):
    """It still serves the connections that it has while it waits for its containers."""
    owner = Owner("f" * 12, 1, "test", 1, int(time.time()) + 600)
    engine.start(ContainerSpec(owner, "busybox:local", command=("sh", "-c", "trap '' TERM; sleep 600")))
    assert engine.answers()
    machine.signal("engine", signal.SIGTERM)
    until(lambda: not engine.answers(), 10, "the engine is no longer taken for one that works")
    machine.run(["sh", "-c", "kill -KILL $(busybox pidof sleep)"])  # or the next engine waits for it, too


def judged(engine: DockerEngine, script: str, output: Callable[[bytes], None]) -> Exit:
    """Run a script as the test stage does."""
    owner = Owner("f" * 12, 1, "test", 1, int(time.time()) + 600)
    with engine.unbroken() as unbroken:
        container = engine.start(ContainerSpec(owner, "busybox:local", command=("sh", "-c", script), attach=True))
        ended = engine.wait(container, check=lambda: None, output=output)
        unbroken()
    return ended
