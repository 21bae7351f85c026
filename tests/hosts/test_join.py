"""A farm of `farm up --listen`, and a second machine that joins it with the file that it wrote, and builds for it."""

import shutil
import subprocess
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import redis

from farm.home import choose_state, read_state
from farm.settings import Settings
from tests import programs
from tests.hosts import engines
from tests.hosts.estate import PROGRAMS, git
from tests.hosts.machines import network, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


def variables(machine):
    return {
        "PATH": f"{PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin",
        "FARM_HOME": str(machine.folder / "home"),
        "DOCKER_HOST": engines.socket(machine),
    }


def farm(machine, *arguments: str, text=""):
    return machine.run_farm(arguments, variables(machine), given=text.encode(), timeout=100)


def findings(machine):
    """What `farm doctor` finds there, by name; its exit code says whether one is an error."""
    done = farm(machine, "doctor", "--json")
    found = done.document
    assert done.code == any(each["verdict"] == "error" for each in found)
    return {each["name"]: each for each in found}


@pytest.fixture
def machines(tmp_path_factory):
    with network(tmp_path_factory.mktemp("join")) as net:  # a short name: sockets are in it
        head, builder = net.machine("head"), net.machine("builder")
        yield head, builder
        farm(head, "up", "--stop")


def ended(machine, number):
    """Wait for the end of a pipeline, as somebody on the machine would, and return it."""
    farm(machine, "watch", str(number))
    document = farm(machine, "show", str(number), "--json").document
    assert document["finished"], f"see {machine.folder}"
    return document


def commit(clone, subject):
    git("-C", str(clone), "add", "-A")
    git("-C", str(clone), "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", subject)


def repository(head, test="test -x /bin/busybox"):
    """Make a bare repository that is served over the network, with the hook, and a clone with a commit."""
    served, clone = head.folder / "git", head.folder / "clone"
    bare = served / "thyme.git"
    git("init", "-q", "--bare", "-b", "main", str(bare))
    daemon = ["git", "daemon", "--export-all", f"--base-path={served}", f"--listen={head.address}"]
    head.start("git", daemon)
    installed = farm(head, "hook", "install", str(bare), "--url", f"git://{head.address}/thyme.git", "--timer", "none")
    assert installed.code == 0, installed.err
    git("clone", "-q", str(bare), str(clone))
    git("-C", str(clone), "checkout", "-q", "-B", "main")
    shutil.copy("/bin/busybox", clone / "busybox")
    (clone / "Dockerfile").write_text(
        'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
    )
    (clone / ".farm.yml").write_text(f"test: {test}\n")
    commit(clone, "Begin")
    return clone


@pytest.mark.long
def test_a_machine_joins_with_one_file_and_builds(machines):
    head, builder = machines
    started = farm(head, "up", "--listen", head.address, "--no-worker", "--detach")
    assert started.code == 0, started.err
    state = read_state(head.folder / "home")
    registry = f"{head.address}:{state.registry_port}"
    assert f'{{"insecure-registries": ["{registry}"]}}' in started.out
    assert not any(word in started.out for word in (state.token, state.worker_password, state.redis_password))

    with pytest.raises(HTTPError, match="401"):
        urlopen(f"http://{head.address}:{state.web_port}/pipelines", timeout=5)
    moved = farm(head, "up", "--listen", "10.0.0.9", "--detach")
    assert moved.code == 2
    assert "does not listen on 10.0.0.9" in moved.err

    joined = farm(builder, "join", "-", "--name", "w7", text=(head.folder / "home" / "join.env").read_text())
    assert joined.code == 0, joined.err
    engines.start(builder)
    assert findings(builder)["trust"]["mend"].startswith(f'put {{"insecure-registries": ["{registry}"]}} into')
    assert "farm worker" in findings(builder)["worker"]["mend"]
    builder.kill("engine")
    engines.start(builder, registry)
    builder.start_farm("worker", ["worker"], variables(builder), be=programs.worker)

    clone = repository(head)
    printed = subprocess.run(
        [*head.enter, "git", "-C", str(clone), "push", "origin", "main"], capture_output=True, text=True, check=True
    ).stderr
    assert "pipeline #1" in printed
    pipeline = ended(head, 1)
    assert pipeline["status"] == "passed", pipeline["reason"]
    assert pipeline["image"].startswith(f"{registry}/thyme@sha256:")
    assert {job["worker"] for stage in pipeline["stages"] for job in stage["jobs"]} == {"w7@builder"}

    with_worker = redis.Redis.from_url(Settings.load(builder.folder / "home").redis_url)
    for command in (("CONFIG", "GET", "dir"), ("FLUSHALL",), ("SHUTDOWN",), ("MODULE", "LIST"), ("KEYS", "*")):
        with pytest.raises(redis.exceptions.NoPermissionError):
            with_worker.execute_command(*command)
    with_worker.close()

    found = findings(builder)
    assert {each["verdict"] for each in found.values()} == {"ok"}
    assert found.keys() >= {"redis", "registry", "engine", "trust", "clock", "disk", "worker", "git thyme"}


def test_what_cannot_be_an_address_or_a_membership_is_refused_with_a_reason(machines):
    head, builder = machines
    for address, words in (
        ("127.0.0.1", "another machine"),
        ("0.0.0.0", "another machine"),
        (f"{head.address}:80", "without a port"),
        ("10.250.0.9", "is not an address of this machine"),
    ):
        done = farm(head, "up", "--listen", address, "--no-worker")
        assert done.code != 0
        assert words in done.err
    assert words in farm(head, "up", "--listen", address, "--no-worker", "--detach").err
    assert read_state(head.folder / "home").listen == ""
    assert "copy join.env once more" in farm(builder, "join", "-", text="LD_PRELOAD=x\n").err
    away = f"FARM_ID=0123456789ab\nFARM_REDIS_URL=redis://{head.address}:1/0\nFARM_REGISTRY=r:5000\n"
    assert "open that port" in farm(builder, "join", "-", text=away).err
    assert "FARM_LABELS: labels: " in farm(builder, "join", "-", "--labels", "a,b,c,d,e", text=away).err
    assert not (builder.folder / "home" / "worker.env").exists()
    assert "is a farm itself" in farm(head, "join", "-", text=away).err


@pytest.mark.long
def test_a_farm_that_is_opened_later_goes_on_with_what_it_had(machines):
    head, _ = machines
    state = choose_state(head.folder / "home")
    engines.start(head, f"{head.address}:{state.registry_port}")
    assert farm(head, "up", "--detach").code == 0
    clone = repository(head, test="test -x /bin/gone")
    push = [*head.enter, "git", "-C", str(clone), "push", "origin", "main"]
    subprocess.run(push, capture_output=True, check=True)
    ended(head, 1)
    assert farm(head, "up", "--stop").code == 0

    opened = farm(head, "up", "--listen", head.address, "--detach")
    assert opened.code == 0, opened.err
    names = engines.docker(head, "images", "--format", "{{.ID}}", "127.0.0.1:*/thyme").split()
    engines.docker(head, "rmi", "-f", *set(names))
    assert farm(head, "retry", "1", "--failed").code == 0
    again = ended(head, 1)
    jobs = {job["name"]: job for stage in again["stages"] for job in stage["jobs"]}
    assert (again["status"], jobs["build"]["attempts"]) == ("failed", 1), again["reason"]

    (clone / ".farm.yml").write_text("test: test -x /bin/busybox\n")
    commit(clone, "Mend")
    printed = subprocess.run(push, capture_output=True, text=True, check=True).stderr
    assert "pipeline #2" in printed  # the hook was installed before
    assert ended(head, 2)["image"].startswith(f"{head.address}:{state.registry_port}/thyme@")


def test_a_machine_builds_through_a_tunnel_for_a_farm_that_is_not_open(machines, need):
    head, builder = machines
    assert farm(head, "up", "--no-worker", "--detach").code == 0
    state = read_state(head.folder / "home")
    invitation = (head.folder / "home" / "join.env").read_text()
    engines.start(builder)  # it trusts its own machine's addresses
    alone = farm(builder, "join", "-", text=invitation)
    assert f"ssh -N -L {state.redis_port}:127.0.0.1:{state.redis_port}" in alone.err

    tunnel(head, builder, need("sshd"), state.redis_port, state.registry_port)
    until(lambda: farm(builder, "join", "-", text=invitation).code == 0, 60, "the tunnel is there")
    builder.start_farm("worker", ["worker"], variables(builder), be=programs.worker)
    clone = repository(head)
    subprocess.run([*head.enter, "git", "-C", str(clone), "push", "-q", "origin", "main"], check=True)
    pipeline = ended(head, 1)
    assert (pipeline["status"], list(pipeline["released"])) == ("passed", ["latest"]), pipeline["reason"]
    assert {job["worker"] for stage in pipeline["stages"] for job in stage["jobs"]} == {"w1@builder"}


def tunnel(head, builder, sshd, *ports: int):
    """Run an ssh server on one machine, and on the other a client that leads ports of its own there."""
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(head.folder / name)]
        subprocess.run(make, check=True)
    options = ["PidFile=none", "StrictModes=no", "UsePAM=no", f"AuthorizedKeysFile={head.folder}/user.pub"]
    options += [f"HostKey={head.folder}/host", f"ListenAddress={head.address}:22"]
    head.start("sshd", [sshd, "-D", "-f", "/dev/null", *(word for option in options for word in ("-o", option))])
    options = [f"IdentityFile={head.folder}/user", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
    options += ["ConnectionAttempts=20", "ExitOnForwardFailure=yes", "BatchMode=yes"]
    leads = [word for port in ports for word in ("-L", f"{port}:127.0.0.1:{port}")]
    client = ["ssh", "-F", "none", "-N", *leads, *(word for option in options for word in ("-o", option))]
    builder.start("tunnel", [*client, f"root@{head.address}"])
