"""A container may be given files before it starts."""

import time

import pytest

from farm.errors import Errored, LeaseLost
from workers.engine import ContainerSpec

pytestmark = pytest.mark.engine


def test_a_tree_is_there_when_the_container_starts(hands, owner, images, context):
    tree = context({"work/deep/a": "hello\n"})
    spec = ContainerSpec(owner, images.busybox, command=("cat", "a"), directory="/work/deep", attach=True)
    said: list[bytes] = []
    container = hands.start(spec, tree=iter(lambda: tree.read(100), b""))
    ended = hands.wait(container, check=lambda: None, output=said.append, deadline=time.monotonic() + 60)
    assert (ended.code, b"".join(said)) == (0, b"hello\n")


def test_what_is_no_tar_is_refused_and_leaves_nothing(hands, owner, images):
    with pytest.raises(Errored):
        hands.start(ContainerSpec(owner, images.busybox, command=("true",)), tree=iter([b"no tar" * 1000]))
    assert not hands.objects(owner.labels())


def test_who_gives_the_tree_may_stop_it(hands, owner, images, context):
    def pieces():
        yield context({"a": "x" * 1000}).read(100)
        raise LeaseLost

    with pytest.raises(LeaseLost):
        hands.start(ContainerSpec(owner, images.busybox, command=("true",)), tree=pieces())
    assert not hands.objects(owner.labels())
