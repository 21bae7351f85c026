"""A container that only keeps a place in a network open, for others to start into."""

import pytest

from workers.engine import ContainerSpec

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine")]


def test_a_container_starts_into_the_place_that_another_holds(hands, owner, images):
    network = hands.create_network(owner)
    holder = hands.hold(owner, network)
    state = hands.state(holder)
    assert state.exit is None

    spec = ContainerSpec(
        owner, images.busybox, command=("sh", "-c", "hostname -i"), network=f"container:{holder}", attach=True
    )
    said = []
    assert hands.wait(hands.start(spec), check=lambda: None, output=said.append).code == 0
    assert b"".join(said).decode().split() == [state.address]

    assert {item.kind for item in hands.objects(owner.labels())} == {"container", "network"}
    assert all(item.owner == owner for item in hands.objects(owner.labels()))


def test_it_is_killed_as_any_other(hands, owner):
    holder = hands.hold(owner, "none")
    hands.remove("container", holder)
    assert not hands.objects(owner.labels())
