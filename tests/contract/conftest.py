"""The engine under contract: the real one of this machine, and a farm id of the test's own."""

import io
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from workers.docker import DockerEngine
from workers.engine import Engine, Owner


@pytest.fixture(scope="session")
def hands(engine: object) -> Engine:  # noqa: ARG001  it skips where there is none
    """The engine as the stages see it."""
    return DockerEngine()


@pytest.fixture
def owner(hands: Engine) -> Iterator[Owner]:
    """An attempt of a farm of the test's own; whatever it made is gone afterwards."""
    owner = Owner(secrets.token_hex(6), 218, "test/unit", 7, int(time.time()) + 600)
    yield owner
    for item in hands.objects({"farm.id": owner.farm}):
        hands.remove(item.kind, item.id)


@pytest.fixture(scope="session")
def context() -> Callable[[Mapping[str, str | bytes]], io.BytesIO]:
    """`context({"Dockerfile": …})` is a plain tar stream with a PAX header, as git makes it."""

    def make(files: Mapping[str, str | bytes]) -> io.BytesIO:
        stream = io.BytesIO()
        with tarfile.open(
            fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "0" * 40}
        ) as tar:
            for name, text in files.items():
                content = text if isinstance(text, bytes) else text.encode()
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755
                tar.addfile(entry, io.BytesIO(content))
        stream.seek(0)
        return stream

    return make


@pytest.fixture
def name(engine: Any) -> Iterator[str]:
    """A name for an image that is gone afterwards, with all its tags."""
    name = f"farm-test/{secrets.token_hex(4)}"
    yield name
    for image in engine.images.list(name):
        engine.images.remove(image.id, force=True)
