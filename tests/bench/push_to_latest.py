"""How long from `git push` to `latest`: pushes to the farm and the same Docker work done by hand, interleaved.

Prints the median of each, the difference, and the ratio pair by pair. It judges nothing: `make bench` shows it.
Run it as `python -m tests.bench.push_to_latest [--rounds 15]`; it starts a farm of its own and takes it away again.
"""

import argparse
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import docker

from farm.settings import Settings
from tests.bench.by_hand import Hand

PROGRAMS = Path(sys.executable).parent
DOCKERFILE = (
    'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nCOPY note /note\n'
)
SCRIPT = "test -s /note"


def git(*arguments: str) -> str:
    """Run git."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


class Case:
    """One definition, with a repository that the farm serves and one that the hand serves."""

    def __init__(self, folder: Path, name: str, service: str | None) -> None:
        self.name, self.service, self.folder = name, service, folder / name
        self.repositories = {}
        for who in ("farm", "hand"):
            bare, clone = self.folder / f"{name}-{who}.git", self.folder / f"{who}-clone"
            git("init", "-q", "--bare", "-b", "main", str(bare))
            git("clone", "-q", str(bare), str(clone))
            git("-C", str(clone), "checkout", "-q", "-B", "main")
            for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
                git("-C", str(clone), "config", key, value)
            shutil.copy("/bin/busybox", clone / "busybox")
            (clone / "Dockerfile").write_text(DOCKERFILE)
            (clone / ".farm.yml").write_text(self.definition())
            self.repositories[who] = (bare, clone)

    def definition(self) -> str:
        """Return the definition of this case."""
        if not self.service:
            return f"test: {SCRIPT}\n"
        service = f"{{image: {self.service}, command: [httpd, -f, -p, '8080'], ready: {{port: 8080}}}}"
        return f"test:\n  script: {SCRIPT}\n  services:\n    db: {service}\n"

    def change(self, who: str) -> str:
        """Commit a change of one file and return the commit."""
        clone = self.repositories[who][1]
        (clone / "note").write_text(secrets.token_hex(16))
        git("-C", str(clone), "add", "-A")
        git("-C", str(clone), "commit", "-q", "-m", "Change one file")
        return git("-C", str(clone), "rev-parse", "HEAD")

    def push(self, who: str) -> None:
        """Push what is committed."""
        git("-C", str(self.repositories[who][1]), "push", "-q", "origin", "main")


def by_farm(case: Case, hand: Hand) -> tuple[float, float]:
    """Return the seconds until `latest` moved and those for which `git push` was blocked."""
    name = f"{case.name}-farm"
    case.change("farm")
    before = latest(hand, name)
    start = time.perf_counter()
    case.push("farm")
    pushed = time.perf_counter() - start
    while latest(hand, name) == before:
        if time.perf_counter() - start > 60:
            raise TimeoutError(f"{name}: `latest` did not move within 60 s; see `farm list`")
        time.sleep(0.002)
    return time.perf_counter() - start, pushed


def by_hand(case: Case, hand: Hand) -> float:
    """Return the seconds for the same from the same start."""
    commit = case.change("hand")
    start = time.perf_counter()
    case.push("hand")
    hand.deliver(case.repositories["hand"][0], commit, f"{case.name}-hand", SCRIPT, case.service)
    seconds = time.perf_counter() - start
    hand.tear_down()
    return seconds


def latest(hand: Hand, name: str) -> str | None:
    """Return the digest that `latest` has now."""
    answer = hand.http.head(f"/{name}/manifests/latest")
    return answer.headers.get("Docker-Content-Digest") if answer.status_code == 200 else None


def measure(case: Case, hand: Hand, rounds: int) -> None:
    """Measure one case in turn, A B A B, and print a line for it."""
    by_farm(case, hand), by_hand(case, hand)  # the first of each fills caches
    farm, blocked, mine = [], [], []
    for _ in range(rounds):
        total, push = by_farm(case, hand)
        farm.append(total)
        blocked.append(push)
        mine.append(by_hand(case, hand))
    ratios = [a / b for a, b in zip(farm, mine, strict=True)]
    median = statistics.median
    print(
        f"{case.name:<14} farm {1000 * median(farm):5.0f} ms   by hand {1000 * median(mine):5.0f} ms   "
        f"added {1000 * (median(farm) - median(mine)):4.0f} ms   ratio {median(ratios):.2f} "
        f"({min(ratios):.2f}-{max(ratios):.2f})   git push blocked {1000 * median(blocked):4.0f} ms   {rounds} rounds",
        flush=True,
    )


def main() -> None:
    """Start a farm, measure the cases, take everything away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    engine = docker.APIClient(version="auto")
    service = f"farm-bench-{secrets.token_hex(4)}:1"
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as temporary:
        folder = Path(temporary)
        os.environ["FARM_HOME"] = str(folder / "home")
        os.environ["PATH"] = f"{PROGRAMS}:{os.environ['PATH']}"
        shutil.copy("/bin/busybox", folder / "busybox")
        (folder / "note").write_text("service")
        (folder / "Dockerfile").write_text(DOCKERFILE)
        subprocess.run(["docker", "build", "-q", "-t", service, str(folder)], check=True, capture_output=True)
        subprocess.run(["farm", "up", "--detach"], check=True, stdout=subprocess.DEVNULL)
        try:
            hand = Hand(Settings.load().registry)
            for name, image in (("trivial", None), ("with-service", service)):
                case = Case(folder, name, image)
                bare = case.repositories["farm"][0]
                subprocess.run(["farm", "hook", "install", str(bare)], check=True, stdout=subprocess.DEVNULL)
                measure(case, hand, rounds)
        finally:
            subprocess.run(["farm", "up", "--stop"], check=False, stdout=subprocess.DEVNULL)
            for name in [
                tag
                for image in engine.images()
                for tag in image["RepoTags"] or []
                if "trivial-" in tag or "with-service-" in tag or tag == service
            ]:
                engine.remove_image(name, force=True)


if __name__ == "__main__":
    main()
