"""What the layer cache from the registry gains on an empty engine, and what it costs where nothing is to be gained.

Prints medians and judges nothing. Run it as root by `python -m tests.bench.warm [--rounds 5]`; it starts two engines
and a registry of its own and takes them away again.
"""

import argparse
import io
import secrets
import statistics
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.hosts import engines
from tests.hosts.estate import Estate
from tests.hosts.machines import Machine, network
from workers.docker import DockerEngine
from workers.engine import BuildSpec

DOCKERFILE = (
    "FROM scratch\nCOPY busybox /bin/busybox\n"
    'RUN ["/bin/busybox", "sh", "-c", "busybox head -c 20000000 /dev/urandom | busybox bzip2 > /libraries"]\n'
    "COPY note /note\n"
)


def context() -> io.BytesIO:
    """Return a build context of which the last file is new."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add("/bin/busybox", "busybox")
        for name, text in (("Dockerfile", DOCKERFILE), ("note", secrets.token_hex(8))):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    buffer.seek(0)
    return buffer


def build(machine: Machine, repository: str, cache_from: Sequence[str] | None) -> tuple[float, str]:
    """Build, with the pull of what the cache needs, and return the seconds and the image."""
    engine, began = DockerEngine(engines.socket(machine)), time.perf_counter()
    for image in cache_from or ():
        engine.pull(image, check=lambda: None)
    spec = BuildSpec(tags=(f"{repository}:build",), cache_from=cache_from)
    built = engine.build(context(), spec, log=lambda _: None, check=lambda: None)
    return time.perf_counter() - began, built.image_id


def empty(machine: Machine) -> None:
    """Take everything from an engine that is the bench's own."""
    engines.docker(machine, "system", "prune", "--all", "--force")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, network(Path(folder)) as net:
        centre, first, second = (net.machine(name) for name in ("centre", "first", "second"))
        estate = Estate(net, centre)
        estate.start_registry()
        for machine in (first, second):
            engines.start(machine, estate.registry)
        repository = f"{estate.registry}/bench"
        _, image = build(first, repository, ())
        digest = DockerEngine(engines.socket(first)).push(image, repository, ("build",), check=lambda: None)
        newest = (f"{repository}@{digest}",)
        for _ in range(rounds):
            for case, wanted in (("empty engine, no cache", None), ("empty engine, cache from the registry", newest)):
                empty(second)
                times.setdefault(case, []).append(build(second, repository, wanted)[0])
            for case, wanted in (("warm engine, cache: none", None), ("warm engine, with the cache", newest)):
                times.setdefault(case, []).append(build(first, repository, wanted)[0])
    for case, seconds in times.items():
        print(f"{case:40} {statistics.median(seconds):6.2f} s  ({min(seconds):.2f} to {max(seconds):.2f})")


if __name__ == "__main__":
    main()
