"""What an engine promises about containers: what they may, what is heard of them, how they end, what stays."""

import gc
import itertools
import threading
import time
from statistics import median
from typing import Any

import pytest

from farm.errors import Errored, Failed, LeaseLost
from workers.docker import DockerEngine
from workers.engine import ContainerSpec, Exit, Limits

pytestmark = pytest.mark.engine


def calm():
    return None


@pytest.fixture
def run(hands, owner, images):
    """Run a script to its end: (exit, output)."""

    def run(script, *, deadline=60.0, check=calm, **spec: Any):
        spec = {"image": images.busybox, "entrypoint": (), "attach": True, **spec}
        said = []
        container = hands.start(ContainerSpec(owner, command=("sh", "-ec", script), **spec))
        ended = hands.wait(container, check=check, output=said.append, deadline=time.monotonic() + deadline)
        return ended, b"".join(said)

    return run


@pytest.fixture
def sleeper(hands, owner, images):
    """A container that runs until it is removed."""
    return hands.start(ContainerSpec(owner, images.busybox, command=("sleep", "600")))


def test_a_script_is_heard_to_its_last_byte_and_its_exit_code_told(run):
    assert run("exec 2>&1; echo out; echo err >&2; printf 'no newline'; exit 3") == (
        Exit(3),
        b"out\nerr\nno newline",
    )


def test_output_comes_while_the_script_runs(hands, owner, images):
    heard = []
    container = hands.start(
        ContainerSpec(owner, images.busybox, command=("sh", "-c", "echo now; sleep 600"), attach=True)
    )

    def check():
        if heard:
            raise LeaseLost

    with pytest.raises(LeaseLost):
        hands.wait(container, check=check, output=heard.append)
    assert heard == [b"now\n"]
    assert hands.state(container).exit is None  # nobody but its owner removes it


def test_much_output_arrives_whole_and_binary(run):
    ended, said = run("head -c 30000000 /dev/zero; printf '\\377\\000'")
    assert ended.code == 0
    assert len(said) == 30000002
    assert said.endswith(b"\xff\x00")


def test_a_deadline_ends_the_wait(run, hands, owner):
    with pytest.raises(TimeoutError):
        run("sleep 600", deadline=1)
    assert [item.kind for item in hands.objects({"farm.id": owner.farm})] == ["container"]


def test_check_is_called_every_half_second_at_least(run):
    beats = []
    run("sleep 3", check=lambda: beats.append(time.monotonic()))
    assert median(b - a for a, b in itertools.pairwise(beats)) < 0.5  # one may come late on a busy machine


def test_a_script_that_closes_its_output_is_still_waited_for(run):
    assert run("exec >&- 2>&-; sleep 0.5; exit 4")[0] == Exit(4)


def test_the_entrypoint_can_be_cleared_and_the_environment_set(run):
    ended, said = run("echo $WORD $PWD", env={"WORD": "a=b c"}, directory="/tmp")
    assert (ended.code, said) == (0, b"a=b c /tmp\n")


def test_limits_hold(run, poll):
    limits = Limits(memory=64 << 20, cpus=1.5, pids=20)
    hungry = "head -c 200000000 /dev/zero | tail"
    assert run(hungry, limits=limits)[0].code == 137
    assert poll(lambda: run(hungry, limits=limits)[0].oom)  # a busy engine does not always hear of it
    ended, said = run("for i in $(seq 40); do sleep 5 & done", limits=limits)
    assert ended.code != 0
    assert b"fork" in said


def test_a_container_gains_no_privileges(run):
    _, said = run("grep -E 'NoNewPrivs|CapBnd' /proc/self/status")
    assert b"NoNewPrivs:\t1" in said
    bounding = int(said.split(b"CapBnd:")[1].split()[0], 16)
    for capability in (12, 13, 16, 18, 19, 21, 22, 27):  # net_admin, net_raw, modules, chroot, ptrace, sys_admin, …
        assert not bounding >> capability & 1
    assert bounding >> 6 & 1  # setgid: postgres becomes its own user


def test_an_image_without_the_program_is_their_fault(hands, owner, images):
    with pytest.raises(Failed, match=r"^image .*busybox:local cannot run nope: executable file not found in \$PATH$"):
        hands.start(ContainerSpec(owner, images.busybox, command=("nope",), attach=True))
    assert not hands.objects({"farm.id": owner.farm})


def test_an_image_that_is_not_here_is_our_fault(hands, owner):
    with pytest.raises(Errored, match="No such image"):
        hands.start(ContainerSpec(owner, "farm-test/nope:1"))


def test_a_command_runs_in_a_container(hands, sleeper):
    said = []
    assert hands.exec(sleeper, ("sh", "-c", "echo hi; exit 5"), check=calm, output=said.append) == Exit(5)
    assert said == [b"hi\n"]
    assert hands.exec(sleeper, ("nope",), check=calm).code in (126, 127)
    with pytest.raises(TimeoutError):
        hands.exec(sleeper, ("sleep", "600"), check=calm, deadline=time.monotonic() + 0.3)


def test_files_are_read_by_glob_from_a_container_that_has_ended(hands, owner, images):
    script = (
        "mkdir -p a/b out; echo 1 > out/r.xml; echo 2 > a/b/r.xml; echo 3 > a/x.txt; ln -s /etc/passwd out/link.xml"
    )
    container = hands.start(ContainerSpec(owner, images.busybox, command=("sh", "-ec", script), directory="/work"))
    hands.wait(container, check=calm)

    def read(*patterns: str, limit=1000):
        return {file.path: file.content for file in hands.read(container, patterns, limit=limit, check=calm)}

    assert read("out/*.xml") == {"/work/out/r.xml": b"1\n"}
    assert read("**/*.xml") == {"/work/out/r.xml": b"1\n", "/work/a/b/r.xml": b"2\n"}
    assert read("/work/a/x.txt", "none/*.xml", "none.xml") == {"/work/a/x.txt": b"3\n"}
    assert read("out/*.xml", "out/r.*", limit=2) == {"/work/out/r.xml": b"1\n"}
    with pytest.raises(Failed, match=r"bigger than allowed"):
        read("out/*.xml", "a/x.txt", limit=3)
    walked = hands.walk(container, ("a/*", "./a/*.txt", "a/none*", "out"), check=calm)
    assert {(entry.path, entry.patterns, entry.content and entry.content.read()) for entry in walked} == {
        ("/work/a/b/r.xml", ("a/*",), b"2\n"),
        ("/work/a/x.txt", ("a/*", "./a/*.txt"), b"3\n"),
        ("/work/out/r.xml", ("out",), b"1\n"),
        ("/work/out/link.xml", ("out",), None),
    }


def test_what_is_killed_can_be_read(hands, owner, images, poll):
    script = "trap '' TERM; echo 1 > left.txt; echo begun; sleep 600"
    container = hands.start(ContainerSpec(owner, images.busybox, command=("sh", "-ec", script), directory="/work"))
    poll(lambda: b"begun" in hands.tail(container, 1))
    hands.kill(container)
    assert hands.state(container).exit is not None
    assert [file.content for file in hands.read(container, ("*.txt",), limit=10, check=calm)] == [b"1\n"]
    hands.kill(container)


def test_containers_of_one_network_find_each_other_by_alias(hands, owner, images, run):
    network = hands.create_network(owner)
    script = "echo hello | nc -l -p 80"
    server = hands.start(
        ContainerSpec(owner, images.busybox, command=("sh", "-c", script), network=network, aliases=("db",))
    )
    assert hands.state(server).address

    ended, said = run("until nc db 80; do sleep 0.05; done </dev/null", network=network)

    assert (ended.code, said.splitlines()[-1]) == (0, b"hello")


def test_a_container_can_live_in_anothers_network(sleeper, run):
    assert run("echo in", network=f"container:{sleeper}") == (Exit(0), b"in\n")


def test_memory_file_systems_are_mounted(run):
    assert run("mount | grep -c 'tmpfs on /m '", tmpfs=("/m",)) == (Exit(0), b"1\n")


def test_everything_is_listed_by_its_labels_and_removed_in_that_order(hands, owner, images):
    network = hands.create_network(owner)
    hands.start(ContainerSpec(owner, images.busybox, command=("sleep", "600"), network=network))

    listed = hands.objects({"farm.id": owner.farm, "farm.fence": "7"})

    assert [item.kind for item in listed] == ["container", "network"]
    assert {item.owner for item in listed} == {owner}
    assert all(abs(item.created - time.time()) < 120 for item in listed)
    begun = time.monotonic()
    for item in listed:
        hands.remove(item.kind, item.id)
        hands.remove(item.kind, item.id)
    assert time.monotonic() - begun < 10  # killed, never asked to stop: that takes ten seconds and more
    assert not hands.objects({"farm.id": owner.farm})


def test_two_who_remove_the_same_at_once_both_succeed(hands, sleeper):
    errors = []

    def remove():
        try:
            hands.remove("container", sleeper)
        except Errored as error:
            errors.append(error)

    threads = [threading.Thread(target=remove) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_the_last_lines_are_kept(hands, owner, images, poll):
    script = "for i in 1 2 3 4; do echo $i; done; sleep 600"
    container = hands.start(ContainerSpec(owner, images.busybox, command=("sh", "-c", script)))
    poll(lambda: b"4" in hands.tail(container, 2))
    assert hands.tail(container, 2) == b"3\n4\n"


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_is_down_is_our_fault(tmp_path):
    with pytest.raises(Errored, match=rf"the Docker Engine at unix://{tmp_path}/none does not answer; start it"):
        DockerEngine(f"unix://{tmp_path}/none").info()
    gc.collect()


def test_the_engine_says_what_it_is(hands):
    info = hands.info()
    assert info.version
    assert info.storage
    assert info.cpus > 0
    assert info.memory > 1 << 20
