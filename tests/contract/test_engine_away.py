"""An engine that goes away in the middle: it is our fault, it is told at once, and its return is enough."""

import contextlib
import gc
import socket
import threading

import pytest

from farm.errors import Errored
from workers.docker import DockerEngine
from workers.engine import BuildSpec, ContainerSpec

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine")]

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
