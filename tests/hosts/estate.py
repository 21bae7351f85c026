"""A farm spread over several machines of a test: a centre with Redis, registry, git and dispatcher, and builders.

Builders have an engine and a worker each and reach the centre over the network only.
"""

import contextlib
import json
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

from redis import Redis
from redis.exceptions import RedisError

from farm.record import Record
from tests import programs
from tests.hosts import engines
from tests.hosts.machines import Machine, Network, network, until

LEASE = 6.0
PROGRAMS = Path(sys.executable).parent
HOOKS = Path(__file__).parents[2] / "deploy"


@dataclass
class Estate:
    """The machines and the repositories of one farm."""

    net: Network
    centre: Machine
    farm_id: str = field(default_factory=lambda: secrets.token_hex(6))
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    builders: dict[str, Machine] = field(default_factory=dict)
    lease: float = LEASE
    _adding: threading.Lock = field(default_factory=threading.Lock)

    @property
    def registry(self) -> str:
        """The registry's address, as in image names."""
        return f"{self.centre.address}:5000"

    @property
    def url(self) -> str:
        """The dispatcher's address."""
        return f"http://{self.centre.address}:8440"

    @property
    def redis_url(self) -> str:
        """Redis's address with its password."""
        return f"redis://:{self.password}@{self.centre.address}:6379/0"

    def redis(self) -> Redis:
        """Open a connection of the test's own to the record."""
        return Redis.from_url(self.redis_url, decode_responses=True, socket_timeout=10)

    def record(self) -> Record:
        """Open the record as the test reads it."""
        return Record(self.redis(), lease=self.lease)

    def environment(self, machine: Machine) -> dict[str, str]:
        """Return what a process of the farm needs on a machine."""
        return {
            "PATH": f"{PROGRAMS}:/usr/sbin:/usr/bin:/sbin:/bin",
            "FARM_HOME": str(machine.folder / "home"),
            "FARM_ID": self.farm_id,
            "FARM_REDIS_URL": self.redis_url,
            "FARM_REGISTRY": self.registry,
            "FARM_REGISTRY_PLAIN": "true",
            "FARM_URL": self.url,
            "FARM_WEB_URL": f"http://{self.centre.address}:5555",
            "FARM_TOKEN": self.token,
            "FARM_LEASE": str(self.lease),
            "DOCKER_HOST": engines.socket(machine),
        }

    def start_redis(self) -> None:
        """Start Redis from what its append-only file holds, and wait until it answers."""
        data = self.centre.folder / "redis"
        data.mkdir(exist_ok=True)
        command = ["redis-server", "--bind", self.centre.address, "--requirepass", self.password, "--dir", str(data)]
        command += ["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
        self.centre.start("redis", command)
        until(self.redis_answers, 60, "redis answers")

    def redis_answers(self) -> bool:
        """Say whether Redis has loaded its file and takes commands."""
        with contextlib.suppress(Exception), self.redis() as connection:
            return bool(connection.ping())
        return False

    def start_registry(self) -> None:
        """Start the registry, and wait until it answers."""
        config = self.centre.folder / "registry.yml"
        config.write_text(
            json.dumps(
                {
                    "version": 0.1,
                    "log": {"level": "warn"},
                    "storage": {
                        "filesystem": {"rootdirectory": str(self.centre.folder / "registry")},
                        "delete": {"enabled": True},
                    },
                    "http": {"addr": self.registry, "secret": self.password},
                }
            )
        )
        self.centre.start("registry", ["docker-registry", "serve", str(config)])
        until(lambda: answers(f"http://{self.registry}/v2/"), 60, "the registry answers")

    def start_git(self) -> None:
        """Serve the repositories to the builders."""
        folder = self.centre.folder / "git"
        folder.mkdir(exist_ok=True)
        command = [
            "git",
            "daemon",
            "--reuseaddr",
            "--export-all",
            f"--base-path={folder}",
            f"--listen={self.centre.address}",
        ]
        self.centre.start("git", command)

    def start_dispatcher(self, name: str = "dispatcher", port: int = 8440) -> None:
        """Start a dispatcher, and wait until it answers; workers and hooks know only the one at the usual port."""
        address = f"{self.centre.address}:{port}"
        self.centre.start_farm(name, ["dispatcher", "--listen", address], self.environment(self.centre))
        log = self.centre.folder / f"{name}.log"
        until(lambda: answers(f"http://{address}/health"), 60, f"the dispatcher answers; see {log}")

    def builder(self, name: str | None = None, *, slots: int = 2, labels: str = "") -> Machine:
        """Add a machine that builds, and wait until its worker is heard; without a name it gets the next free one."""
        with self._adding:
            machine = self.net.machine(name or f"b{len(self.net.machines)}")
        engines.start(machine, self.registry)
        self.start_worker(machine, slots=slots, labels=labels)
        self.builders[machine.name] = machine
        return machine

    def staff(self, *names: str) -> None:
        """Add several machines that build, side by side."""
        with ThreadPoolExecutor(len(names)) as pool:
            for added in [pool.submit(self.builder, name) for name in names]:
                added.result()

    def start_worker(self, machine: Machine, *, slots: int = 2, labels: str = "") -> None:
        """Start the worker of a builder and wait until it is heard."""
        command = ["worker", "--name", self.worker(machine), "--slots", str(slots)]
        command += ["--labels", labels] if labels else []
        until(lambda: self.forgotten(machine), 60, "Redis takes commands")
        machine.start_farm("worker", command, self.environment(machine), be=programs.worker)
        until(lambda: self.heard(machine), 60, f"the worker is heard; see {machine.folder}/worker.log")

    def forgotten(self, machine: Machine) -> bool:
        """Let the record forget the builder's worker; False while Redis is away."""
        with contextlib.suppress(RedisError), self.redis() as connection:
            connection.delete(f"farm:worker:{self.worker(machine)}")
            return True
        return False

    def heard(self, machine: Machine) -> bool:
        """Say whether the record knows the builder's worker."""
        with contextlib.suppress(RedisError), self.redis() as connection:
            return bool(connection.exists(f"farm:worker:{self.worker(machine)}"))
        return False

    def worker(self, machine: Machine) -> str:
        """Return the name of a builder's worker."""
        return f"w1@{machine.name}"

    def repository(self, name: str) -> "Repository":
        """Make a bare repository at the centre with the hook, and a clone of it with a first commit, not yet pushed."""
        bare = self.centre.folder / "git" / f"{name}.git"
        clone = self.centre.folder / "clones" / name
        git("init", "-q", "--bare", "-b", "main", str(bare))
        install = ["hook", "install", str(bare), "--timer", "none"]
        install += ["--url", f"git://{self.centre.address}/{name}.git"]
        installed = self.centre.run_farm(install, self.environment(self.centre))
        assert installed.code == 0, installed.err
        git("clone", "-q", str(bare), str(clone))
        git("-C", str(clone), "checkout", "-q", "-B", "main")
        for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
            git("-C", str(clone), "config", key, value)
        return Repository(self, name, bare, clone)


@dataclass
class Repository:
    """A bare repository at the centre and somebody's clone of it."""

    estate: Estate
    name: str
    bare: Path
    clone: Path

    def write(self, definition: str, **files: str) -> None:
        """Put the small application, a definition and further files into the clone."""
        shutil.copy("/bin/busybox", self.clone / "busybox")
        dockerfile = (
            'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nCOPY . /app\n'
        )
        (self.clone / "Dockerfile").write_text(dockerfile)
        (self.clone / ".farm.yml").write_text(definition)
        for path, content in files.items():
            (self.clone / path).write_text(content)

    def send(self, script: str, message: str = "Go on") -> int:
        """Push a commit whose test runs the script, and return the number of its pipeline."""
        self.write("test: sh /app/test.sh\n", **{"test.sh": script})
        commit = self.commit(message)
        self.push()
        return self.number(commit)

    def number(self, commit: str) -> int:
        """Return the number of a commit's pipeline, also where a busy machine's hook did not wait for it."""

        numbers: list[int] = []

        def known() -> bool:
            pipelines = self.estate.record().pipelines(repository=self.name)
            numbers.extend(one.number for one in pipelines if one.commit == commit)
            if not numbers:
                self.deliver()
            return bool(numbers)

        until(known, 60, "the push is in the ledger")
        return numbers[0]

    def commit(self, message: str) -> str:
        """Commit what the clone holds and return the commit."""
        (self.clone / "note").write_text(secrets.token_hex(8))
        git("-C", str(self.clone), "add", "-A")
        git("-C", str(self.clone), "commit", "-q", "-m", message)
        return git("-C", str(self.clone), "rev-parse", "HEAD")

    def push(self, *arguments: str) -> str:
        """Push from the centre and return what git printed."""
        command = ["git", "-C", str(self.clone), "push", "origin", *(arguments or ("main",))]
        enter = self.estate.centre.enter
        return subprocess.run([*enter, *command], capture_output=True, text=True, check=True, timeout=60).stderr

    def deliver(self) -> None:
        """Offer again what the farm has not confirmed, as the hook's timer does."""
        self.estate.centre.run([sys.executable, str(HOOKS / "post-receive"), "--deliver", str(self.bare)])

    def spooled(self) -> list[Path]:
        """Return the reports that wait in the hook's spool."""
        return list((self.bare / "farm" / "spool").glob("*.json"))

    def reflog(self, ref: str = "refs/heads/main") -> list[tuple[str, str]]:
        """Return what git itself wrote down about a ref: old and new of every push."""
        path = self.bare / "logs" / ref
        lines = path.read_text().splitlines() if path.exists() else []  # the weather may let nobody push to it in time
        return [(line.split()[0], line.split()[1]) for line in lines]


def git(*arguments: str) -> str:
    """Run git on the real machine."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def answers(url: str) -> bool:
    """Say whether something answers a GET there with success."""
    with contextlib.suppress(OSError), urlopen(Request(url), timeout=2) as answer:
        return answer.status == 200
    return False


@contextlib.contextmanager
def estate(folder: Path, lease: float = LEASE) -> Iterator[Estate]:
    """Make a network with a running centre and no builder yet."""
    with network(folder) as net:
        farm = Estate(net, net.machine("centre"), lease=lease)
        farm.start_redis()
        farm.start_registry()
        farm.start_git()
        farm.start_dispatcher()
        yield farm
