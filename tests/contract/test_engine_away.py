"""An engine that goes away in the middle: it is our fault, it is told at once, and its return is enough."""

import contextlib
import gc
import socket
import threading
import time

import pytest

from farm.errors import Errored
from workers import cleanup
from workers.docker import DockerEngine
from workers.engine import BuildSpec, ContainerSpec
from workers.gate import Gate

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine")]

HEARD = 10.0  # s in which a worker that is there is heard of (farm/lua/gate.lua)
REAL = "/var/run/docker.sock"


class Road:
    """A socket that leads to the engine's until it is cut; then every connection is reset and none is taken."""

    def __init__(self, path) -> None:
        self.path = path
        self.ends = []
        self.opened()

    def opened(self):
        self.path.unlink(missing_ok=True)
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(self.path))
        self.door.listen()
        threading.Thread(target=self._welcome, args=(self.door,), daemon=True).start()

    def cut(self):
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.cut()
        for end in self.ends:
            end.close()

    def _welcome(self, door):
        with contextlib.suppress(OSError):
            while True:
                near, _ = door.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(REAL)
                self.ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def road(tmp_path):
    """The road to the engine."""
    road = Road(tmp_path / "docker.sock")
    yield road
    road.close()
    gc.collect()


@pytest.fixture
def far(road):
    """The engine at the end of the road."""
    engine = DockerEngine(f"unix://{road.path}")
    engine.info()
    return engine


def test_a_wait_ends_when_the_engine_goes(road, far, owner, images):
    container = far.start(ContainerSpec(owner, images.busybox, command=("sh", "-c", "echo on; sleep 600"), attach=True))
    with pytest.raises(Errored, match=r"the Docker Engine at unix://.* does not answer"):
        far.wait(container, check=lambda: None, output=lambda _: road.cut())


def test_a_build_ends_when_the_engine_goes(road, far, images, context):
    cut = []

    def log(piece):
        if b"beginning\n" in piece and not cut:
            cut.append(road.cut())

    files = {"Dockerfile": f"FROM {images.busybox}\nRUN echo beginning; sleep 20; : {road.path}\n"}
    with pytest.raises(Errored, match="the Docker Engine"):
        far.build(context(files), BuildSpec(), log=log, check=lambda: None)
    assert cut


def test_an_engine_that_is_back_is_used_again(road, far):
    road.cut()
    with pytest.raises(Errored, match="does not answer"):
        far.info()
    road.opened()
    assert far.info().version


def test_one_that_hangs_is_told_soon_also_by_a_worker_that_begins(tmp_path):
    """A worker whose look takes ten seconds, and those of its sweep besides, would be taken for one that is gone."""
    engine = DockerEngine(f"unix://{tmp_path}/docker.sock")

    def sweep():
        with contextlib.suppress(Errored):
            cleanup.sweep(engine, "f" * 12, lambda _: True)

    sweeping = threading.Thread(target=sweep)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "docker.sock"))
        door.listen()
        gate, begun = Gate(engine, tmp_path, 0), time.monotonic()
        sweeping.start()
        assert (gate.closed(), gate.places()) == ("has no Docker Engine that answers", (tmp_path,))
        assert time.monotonic() - begun < HEARD
        assert sweeping.is_alive()
    sweeping.join()
