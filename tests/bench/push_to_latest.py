"""How long from `git push` to `latest`: the farm, a script as post-receive, and the same Docker work by hand, in turn.

Prints the median of each and the ratios round by round. It judges nothing: `make bench` shows it.
Run it as `python -m tests.bench.push_to_latest [--rounds 15]`; it starts a farm of its own and takes it away again.
The machine should have nothing else to do; where it has, the ratios still say something, the milliseconds little.
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
from collections.abc import Sequence
from pathlib import Path

import docker

from farm.settings import Settings
from tests.bench import by_script
from tests.bench.by_hand import Hand
from workers.docker import buildkit

PROGRAMS = Path(sys.executable).parent
DOCKERFILE = (
    'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\nCOPY note /note\n'
)
CONTESTANTS = ("farm", "script", "hand")


def git(*arguments: str) -> str:
    """Run git."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


class Case:
    """One definition, with a repository for each contestant."""

    def __init__(self, folder: Path, name: str, service: str | None) -> None:
        self.name, self.service, self.folder = name, service, folder / name
        self.script = "wget -q -O /dev/null http://db:8080/note" if service else "test -s /note"
        self.repositories = {}
        for who in CONTESTANTS:
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
            return f"test: {self.script}\n"
        service = f"{{image: {self.service}, command: [httpd, -f, -p, '8080'], ready: {{port: 8080}}}}"
        return f"test:\n  script: {self.script}\n  services:\n    db: {service}\n"

    def change(self, who: str) -> str:
        """Commit a change of one file and return the commit."""
        clone = self.repositories[who][1]
        (clone / "note").write_text(secrets.token_hex(16))
        git("-C", str(clone), "add", "-A")
        git("-C", str(clone), "commit", "-q", "-m", "Change one file")
        return git("-C", str(clone), "rev-parse", "HEAD")

    def push(self, who: str) -> subprocess.Popen[bytes]:
        """Begin to push what is committed."""
        return subprocess.Popen(
            ["git", "-C", str(self.repositories[who][1]), "push", "-q", "origin", "main"], stderr=subprocess.DEVNULL
        )


def by_push(case: Case, hand: Hand, who: str = "farm") -> tuple[float, float]:
    """Return the seconds until `latest` moved and those for which `git push` was blocked."""
    name = f"{case.name}-{who}"
    case.change(who)
    before = latest(hand, name)
    start = time.perf_counter()
    pushing = case.push(who)
    total = pushed = None
    while total is None or pushed is None:
        now = time.perf_counter() - start
        if now > 60:
            raise TimeoutError(f"{name}: `latest` did not move within 60 s; see `farm list`")
        if pushed is None and pushing.poll() is not None:
            pushed = now
        if total is None and latest(hand, name) != before:
            total = time.perf_counter() - start
        time.sleep(0.01)  # more often would slow down what is measured
    return total, pushed


def by_hand(case: Case, hand: Hand) -> float:
    """Return the seconds for the same from the same start."""
    commit = case.change("hand")
    start = time.perf_counter()
    case.push("hand").wait()
    hand.deliver(case.repositories["hand"][0], commit, f"{case.name}-hand", case.script, case.service)
    seconds = time.perf_counter() - start
    hand.tear_down()
    return seconds


def latest(hand: Hand, name: str) -> str | None:
    """Return the digest that `latest` has now."""
    answer = hand.http.head(f"/{name}/manifests/latest")
    return answer.headers.get("Docker-Content-Digest") if answer.status_code == 200 else None


def measure(case: Case, hand: Hand, rounds: int, pause: float) -> None:
    """Measure one case in turn, A B C A B C, and print a line for each contestant."""
    seconds: dict[str, list[float]] = {who: [] for who in CONTESTANTS}
    blocked: dict[str, list[float]] = {"farm": [], "script": []}
    for number in range(rounds + 1):  # the first round fills caches
        for who in CONTESTANTS:
            time.sleep(pause)  # nobody measures while the one before is still taking down
            total, push = (by_hand(case, hand), 0.0) if who == "hand" else by_push(case, hand, who)
            if number:
                seconds[who].append(total)
                blocked.get(who, []).append(push)
    for who in CONTESTANTS:
        word = f"   git push blocked {middle(blocked[who])}" if who in blocked else ""
        print(f"{case.name:<14}{who:<8}{middle(seconds[who])}{word}", flush=True)
    for who in CONTESTANTS[1:]:
        ratios = [a / b for a, b in zip(seconds["farm"], seconds[who], strict=True)]
        more = 1000 * statistics.median(a - b for a, b in zip(seconds["farm"], seconds[who], strict=True))
        print(
            f"{case.name:<14}farm / {who:<8}{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            f"   {more:+.0f} ms",
            flush=True,
        )


def middle(values: Sequence[float]) -> str:
    """Return the median and the range, in milliseconds."""
    return f"{1000 * statistics.median(values):5.0f} ms ({1000 * min(values):.0f}-{1000 * max(values):.0f})"


def main() -> None:
    """Start a farm, measure the cases, take everything away."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two pushes")
    given = parser.parse_args()
    engine = docker.APIClient(version="auto")
    service = f"farm-bench-{secrets.token_hex(4)}:1"
    program = buildkit.command() or sys.exit("no `docker` with BuildKit is on the PATH")
    with tempfile.TemporaryDirectory(prefix="farm-bench-") as temporary:
        folder = Path(temporary)
        os.environ["FARM_HOME"] = str(folder / "home")
        os.environ["PATH"] = f"{PROGRAMS}:{os.environ['PATH']}"
        shutil.copy("/bin/busybox", folder / "busybox")
        (folder / "note").write_text("service")
        (folder / "Dockerfile").write_text(DOCKERFILE)
        subprocess.run(
            [program, "build", "-q", "-t", service, str(folder)],
            check=True,
            capture_output=True,
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
        )
        subprocess.run(["farm", "up", "--detach"], check=True, stdout=subprocess.DEVNULL)
        try:
            registry = Settings.load().registry
            hand = Hand(registry)
            print(f"{given.rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
            for name, image in (("trivial", None), ("with-service", service)):
                case = Case(folder, name, image)
                bare = case.repositories["farm"][0]
                subprocess.run(
                    ["farm", "hook", "install", "--timer", "none", str(bare)], check=True, stdout=subprocess.DEVNULL
                )
                by_script.install(case.repositories["script"][0], f"{registry}/{name}-script", case.script, image)
                measure(case, hand, given.rounds, given.pause)
            print(f"load {os.getloadavg()[0]:.1f} at the end")
        finally:
            subprocess.run(["farm", "up", "--stop"], check=False, stdout=subprocess.DEVNULL)
            for name in [
                tag
                for image in engine.images()
                for tag in image["RepoTags"] or []
                if "/trivial-" in tag or "/with-service-" in tag or tag == service
            ]:
                engine.remove_image(name, force=True)


if __name__ == "__main__":
    main()
