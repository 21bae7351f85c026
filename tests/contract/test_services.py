"""Services of a job: ready when they say so, told when they do not come up, gone with the job."""

import secrets
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from farm.definition import Ready, Service
from farm.errors import Errored, Failed, LeaseLost
from workers import services
from workers.engine import BuildSpec, ContainerSpec
from workers.workspace import Workspace

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("engine")]

LISTEN = ("sh", "-c", "sleep 0.4; while true; do echo hello | nc -l -p 4000; done")


class Log:
    """What a person would see."""

    def __init__(self) -> None:
        self.bytes = b""

    def write(self, data: bytes) -> None:
        self.bytes += data

    def line(self, text: str) -> None:
        self.bytes += f"{text}\n".encode()


@pytest.fixture
def work(hands, owner):
    """A workspace with all that services use, whose teardown takes everything away again."""
    nothing = cast("Any", None)
    with ExitStack() as teardown:
        yield Workspace(
            claim=nothing, definition=nothing, engine=hands, registry=nothing, log=Log(), check=lambda: None,
            guard=lambda: None, owner=owner, home=Path("/none"), teardown=teardown,
        )  # fmt: skip
    assert not hands.objects({"farm.id": owner.farm})


@pytest.fixture
def network(work):
    """A network of the job."""
    name = work.engine.create_network(work.owner)
    work.teardown.callback(work.engine.remove, "network", name)
    return name


def test_a_port_is_awaited_and_reached_under_the_services_name(work, network, images):
    containers = services.start(
        work, {"db": Service(image=images.busybox, command=LISTEN, ready=Ready(port=4000))}, network
    )

    script = "nc db 4000 </dev/null"
    job = work.engine.start(
        ContainerSpec(work.owner, images.busybox, command=("sh", "-ec", script), network=network, attach=True)
    )
    work.teardown.callback(work.engine.remove, "container", job)
    said = []
    ended = work.engine.wait(job, check=lambda: None, output=said.append, deadline=time.monotonic() + 60)

    assert (ended.code, said) == (0, [b"hello\n"])
    assert list(containers) == ["db"]
    assert b"service db is ready after " in work.log.bytes


def test_a_command_is_asked_in_the_container_until_it_succeeds(work, network, images):
    service = Service(
        image=images.busybox,
        command=("sh", "-c", "sleep 0.3; touch /ready; sleep 600"),
        ready=Ready(command="test -e $FILE"),
        env={"FILE": "/ready"},
    )
    begun = time.monotonic()
    services.start(work, {"db": service}, network)
    assert time.monotonic() - begun > 0.3


def test_the_images_own_health_check_is_asked(work, network, context, images):
    dockerfile = f"FROM {images.busybox}\nHEALTHCHECK --interval=10m CMD test -e /ready\n"
    tag = f"farm-test/{secrets.token_hex(4)}:a"
    spec = BuildSpec(tags=(tag,))
    work.engine.build(context({"Dockerfile": dockerfile}), spec, log=work.log.write, check=work.check)
    work.teardown.callback(work.engine.remove_image, tag)
    service = Service(image=tag, command=("sh", "-c", "sleep 0.3; touch /ready; sleep 600"))
    begun = time.monotonic()
    services.start(work, {"db": service}, network)
    assert time.monotonic() - begun > 0.3


def test_without_either_it_only_has_to_run(work, network, images):
    services.start(work, {"db": Service(image=images.busybox, command=("sleep", "600"))}, network)


def test_services_start_side_by_side(work, network, images):
    serve = ("sh", "-c", "mkdir /w; touch /w/up; exec httpd -f -p 80 -h /w")
    waits_for = {"s0": "s1", "s1": "s2", "s2": "s0"}  # one after the other none would ever be ready
    wanted = {
        name: Service(
            image=images.busybox, command=serve, ready=Ready(command=f"wget -q -O /dev/null http://{other}/up")
        )
        for name, other in waits_for.items()
    }
    services.start(work, wanted, network)


def test_a_service_that_never_gets_ready_is_told_with_its_last_lines(work, network, images):
    service = Service(
        image=images.busybox, command=("sh", "-c", "echo cannot open; sleep 600"), ready=Ready(port=1), timeout=1
    )
    with pytest.raises(Failed, match=r"^service db did not get ready within 1 s$"):
        services.start(work, {"db": service}, network)
    assert work.log.bytes.endswith(
        b"service db did not get ready within 1 s; the last lines of db:\ncannot open\n--- end of db ---\n"
    )


def test_a_command_that_hangs_does_not_hold_the_deadline_up(work, network, images):
    service = Service(image=images.busybox, command=("sleep", "600"), ready=Ready(command="sleep 600"), timeout=0.6)
    begun = time.monotonic()
    with pytest.raises(Failed, match=r"within 0\.6 s"):
        services.start(work, {"db": service}, network)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("ready", [Ready(port=1), Ready(command="false"), Ready()])
def test_a_service_that_ends_is_told_at_once_with_its_exit_code(work, network, images, ready):
    end = "sleep 0.1" if ready != Ready() else "until [ -e /end ]; do sleep 0.1; done"
    service = Service(image=images.busybox, command=("sh", "-c", f"echo no password; {end}; exit 3"), ready=ready)
    if ready == Ready():
        containers = services.start(work, {"db": service}, network)
        work.engine.exec(containers["db"], ("touch", "/end"), check=lambda: None, deadline=time.monotonic() + 60)
        work.engine.wait(containers["db"], check=lambda: None)
        services.fallen(work, containers)
        assert b"service db has ended with exit code 3" in work.log.bytes
    else:
        begun = time.monotonic()
        with pytest.raises(Failed, match=r"^service db ended with exit code 3 before it was ready$"):
            services.start(work, {"db": service}, network)
        assert time.monotonic() - begun < 25  # its time is a minute
    assert b"no password\n" in work.log.bytes


def test_an_image_that_nobody_has_is_their_fault(work, network, registry):
    with pytest.raises(Failed, match=rf"^image {registry.host}/none:1 cannot be pulled"):
        services.start(work, {"db": Service(image=f"{registry.host}/none:1")}, network)


def test_a_registry_that_is_down_is_ours(work, network, ports):
    with pytest.raises(Errored, match="does not answer"):
        services.start(work, {"db": Service(image=f"127.0.0.1:{ports(1)[0]}/none:1")}, network)


def test_a_lost_lease_ends_the_wait(work, network, images):
    lost = []
    waiting = threading.Event()

    def check():
        if waiting.wait(0) or work.engine.objects({"farm.id": work.owner.farm})[0].kind == "container":
            waiting.set()
            lost.append(time.monotonic())
            raise LeaseLost

    service = Service(image=images.busybox, command=("sleep", "600"), ready=Ready(port=1))
    changed = Workspace(**{name: getattr(work, name) for name in work.__slots__} | {"check": check})
    with pytest.raises(LeaseLost):
        services.start(changed, {"db": service}, network)
    assert time.monotonic() - lost[0] < 20  # a start that is on its way is let finish, so that its container is known


def test_postgres_is_ready_when_it_takes_queries(work, network, standins):
    """The ordinary image, or its stand-in."""
    service = Service(
        image=standins["postgres"], env={"POSTGRES_PASSWORD": "thyme"}, ready=Ready(command="pg_isready -U postgres")
    )
    containers = services.start(work, {"db": service}, network)
    address = work.engine.state(containers["db"]).address
    assert address
    socket.create_connection((address, 5432), timeout=30).close()


def test_a_service_starts_when_those_that_it_needs_are_ready(work, images, network):
    slow = Service(image=images.busybox, command=LISTEN, ready=Ready(port=4000))
    # It ends at once, and is lost, if what it needs does not answer when it starts.
    script = "nc db 4000 </dev/null | grep -q hello && touch /there && exec sleep 600"
    ready = Ready(command="test -e /there")
    behind = Service(image=images.busybox, command=("sh", "-c", script), ready=ready, needs=("db",))
    started = services.start(work, {"db": slow, "app": behind}, network)
    assert set(started) == {"db", "app"}
    assert work.log.bytes.index(b"db is ready") < work.log.bytes.index(b"app is ready")


def test_what_needs_others_is_not_begun_before_its_time(work, images, network):
    free = Service(image=images.busybox, command=("sleep", "600"))
    both = {"db": free, "app": free.model_copy(update={"needs": ("db",)})}
    begun = services.begin(work, both, network, shared=False)
    assert set(begun) == {"db"}
    assert services.start(work, both, network, begun=begun)["db"] == begun["db"]


def test_one_that_waits_for_a_lost_one_is_given_up(work, images, network):
    lost = Service(image=images.busybox, command=("sh", "-c", "exit 3"), ready=Ready(port=4000))
    behind = Service(image=images.busybox, command=("sleep", "600"), needs=("db",))
    with pytest.raises(Failed, match="service db"):
        services.start(work, {"db": lost, "app": behind}, network)
    assert b"app" not in work.log.bytes
