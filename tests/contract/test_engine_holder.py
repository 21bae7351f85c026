"""A container that only keeps a place in a network open, for others to start into."""

import pytest

from farm.errors import Errored
from workers.engine import ContainerSpec

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine")]


def test_a_container_starts_into_the_place_that_another_holds(hands, owner, images):
    network = hands.create_network(owner)
    holder = hands.hold(owner, lambda: network)
    state = hands.state(holder)
    assert state.exit is None

    other = hands.start(ContainerSpec(owner, images.busybox, command=("sleep", "60"), network=network, aliases=("db",)))
    script = "hostname -i; ping -c 1 -W 5 db >/dev/null 2>&1 || nslookup db >/dev/null"
    spec = ContainerSpec(
        owner, images.busybox, command=("sh", "-c", script), network=f"container:{holder}", attach=True
    )
    said = []
    assert hands.wait(hands.start(spec), check=lambda: None, output=said.append).code == 0
    assert b"".join(said).decode().split() == [state.address]

    hands.remove("container", other)
    assert {item.kind for item in hands.objects(owner.labels())} == {"container", "network"}
    assert all(item.owner == owner for item in hands.objects(owner.labels()))


def test_it_is_killed_as_any_other(hands, owner):
    network = hands.create_network(owner)
    hands.remove("container", hands.hold(owner, lambda: network))
    hands.remove("network", network)
    assert not hands.objects(owner.labels())


def test_nothing_is_left_when_its_network_cannot_be_made(hands, owner):
    def network():
        raise Errored("no network")

    with pytest.raises(Errored, match="no network"):
        hands.hold(owner, network)
    assert not hands.objects(owner.labels())
