"""A storm over several hosts: pushes and faults at random for some minutes, then the reckoning.

`python -m tests.hosts.storm --minutes 10 --seed 7` prints a table and ends with 1 if anything was lost, doubled, left
behind, or out of order. The same seed gives the same pushes and faults, not the same interleaving.
"""

import argparse
import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.hosts.estate import Estate, estate
from tests.hosts.machines import until
from tests.hosts.weather import BUILDER_FAULTS, CENTRE_FAULTS
from tests.hosts.witness import Witness, leftovers

NAMES = ("basil", "mint", "sage", "thyme")
ONE = "test: sh /app/test.sh\n"
SEVERAL = "test:\n  jobs:\n    here: sh /app/test.sh\n    there: sh /app/test.sh\n"
BUILDERS = 3
CALM = 180.0  # s after the last fault until everything must have ended


class Storm:
    """One estate in bad weather."""

    def __init__(self, farm: Estate, seed: int) -> None:
        self.farm = farm
        self.dice = random.Random(seed)
        self.repositories = [farm.repository(name) for name in NAMES]
        self.witness = Witness(farm, self.repositories)
        self.faults: Counter[str] = Counter()
        self.mishaps: list[str] = []
        self.pushes = 0
        self.settled = 0.0
        self._calm = threading.Event()
        self._free = {"centre", *farm.builders}
        self._known = set(farm.builders)
        self._lock = threading.Lock()

    def rage(self, seconds: float) -> None:
        """Push and break things at random for so long; then mend all and wait until the farm has done its work."""
        self.witness.start()
        threads = [
            threading.Thread(target=self._push_on, args=(random.Random(self.dice.random()),)),
            threading.Thread(target=self._deliver),
        ]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(BUILDERS) as pool:
            while time.monotonic() < end:
                if task := self._next_fault():
                    pool.submit(self._break, *task, random.Random(self.dice.random()))
                time.sleep(self.dice.uniform(0.5, 4))
        self._calm.set()
        began = time.monotonic()
        try:
            until(self._all_done, CALM, "every push has a final pipeline and nothing is left on any engine")
        except TimeoutError as error:
            self.mishaps.append(str(error))
        self.settled = time.monotonic() - began
        time.sleep(1)  # the witness looks once more
        for thread in threads:
            thread.join()
        self.witness.stop()

    def _push_on(self, dice: random.Random) -> None:
        while not self._calm.wait(dice.uniform(0.5, 4)):
            repository = dice.choice(self.repositories)
            fails, seconds = dice.random() < 0.15, dice.choice([0, 0, 1, 2, 4, 8])
            verdict = "exit 1" if fails else "exit 0"
            script = f"echo test begins\nsleep {seconds}\necho test ends\n{verdict}\n"
            repository.write(dice.choice([ONE, ONE, SEVERAL]), **{"test.sh": script})
            repository.commit("This must fail" if fails else f"Wait {seconds} s")
            try:
                repository.push()
                self.pushes += 1
            except subprocess.SubprocessError as error:
                self.mishaps.append(f"git push failed: {error}")

    def _deliver(self) -> None:
        while not self._calm.is_set() or any(repository.spooled() for repository in self.repositories):
            for repository in self.repositories:
                with contextlib.suppress(subprocess.SubprocessError):
                    repository.deliver()
            self._calm.wait(5)
            if self._calm.is_set():
                time.sleep(1)

    def _next_fault(self) -> tuple[str, str] | None:
        """Choose a fault and whom it hits among those that nothing happens to; one builder always goes on."""
        with self._lock:
            builders = sorted(self._free - {"centre"})
            menu = dict(BUILDER_FAULTS) if len(builders) > 1 else {}
            menu |= CENTRE_FAULTS if "centre" in self._free else {}
            if not menu:
                return None
            name = self.dice.choices(list(menu), [weight for _, weight in menu.values()])[0]
            victim = "centre" if name in CENTRE_FAULTS else self.dice.choice(builders)
            self._free.discard(victim)
            return name, victim

    def _break(self, name: str, victim: str, dice: random.Random) -> None:
        self._tell(f"{name} on {victim} begins")
        try:
            if victim == "centre":
                CENTRE_FAULTS[name][0](self.farm, dice)
            else:
                machine = self.farm.builders[victim]
                self.witness.hit(name, self.farm.worker(machine))
                BUILDER_FAULTS[name][0](self.farm, machine, dice)
            self.faults[name] += 1
        except Exception as error:  # noqa: BLE001 - the reckoning tells it
            self.mishaps.append(f"{name} on {victim}: {error!r}")
        self._tell(f"{name} on {victim} is over")
        with self._lock:
            self._free |= {victim} if victim == "centre" or victim in self.farm.builders else set()
            self._free |= {one for one in self.farm.builders if one not in self._known}
            self._known |= set(self.farm.builders)

    def _tell(self, what: str) -> None:
        with (self.farm.net.folder / "storm.log").open("a") as log:
            log.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {what}\n")

    def _all_done(self) -> bool:
        with contextlib.suppress(Exception):
            for repository in self.repositories:
                pipelines = self.farm.record().pipelines(repository=repository.name, limit=10000)
                if any(not one.status.final for one in pipelines):
                    return False
                if {new for _, new in repository.reflog()} - {one.commit for one in pipelines}:
                    return False
            return not any(leftovers(self.farm, machine) for machine in self.farm.builders.values())
        return False

    def reckoning(self) -> "Ended":
        """Print the table and return what it comes to."""
        pipelines = [one for name in NAMES for one in self.farm.record().pipelines(repository=name, limit=10000)]
        statuses = Counter(str(one.status) for one in pipelines)
        errored = Counter(str(one.reason) for one in pipelines if str(one.status) == "errored")
        attempts = [job.attempts for one in pipelines for stage in one.stages for job in stage.jobs if job.attempts]
        print(f"pushes   {self.pushes}, pipelines {len(pipelines)}: {counted(statuses)}")
        print(f"faults   {self.faults.total()}: {counted(self.faults)}")
        print(f"steps    {len(attempts)}, run again {sum(attempts) - len(attempts)}")
        if recovered := self.witness.recoveries():
            p95 = recovered[min(len(recovered) - 1, int(len(recovered) * 0.95))]
            print(
                f"recovery {len(self.witness.hits)} running steps were hit, {len(recovered)} ran again after "
                f"median {statistics.median(recovered):.1f} s, p95 {p95:.1f} s, worst {recovered[-1]:.1f} s"
            )
        print(f"calm     all was done {self.settled:.0f} s after the last fault")
        print(f"latest   looked at {sum(map(len, self.witness.seen.values()))} times")
        for reason, count in errored.items():
            print(f"errored  {count}: {reason}")
        wrongs = [*self.mishaps, *self.witness.wrongs()]
        for wrong in wrongs:
            print(f"WRONG    {wrong}")
        print("nothing lost, nothing doubled, nothing left behind" if not wrongs else f"{len(wrongs)} wrongs")
        return Ended(self.faults.total(), wrongs)


@dataclass(frozen=True, slots=True)
class Ended:
    """How many faults a storm had, and what was wrong in the end."""

    faults: int
    wrongs: Sequence[str]


def counted(things: Counter[str]) -> str:
    """Return `2 apples, 1 pear`."""
    return ", ".join(f"{count} {thing}" for thing, count in things.most_common())


def storm(folder: Path, seconds: float, seed: int) -> Ended:
    """Run one storm in a folder and return how it ended."""
    print(f"storm of {seconds:.0f} s, seed {seed}, {BUILDERS} builders")
    with estate(folder) as farm:
        farm.staff(*(f"b{number}" for number in range(1, BUILDERS + 1)))
        weather = Storm(farm, seed)
        weather.rage(seconds)
        return weather.reckoning()


def main() -> None:
    """Read the arguments and run one storm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10000))
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs and say where it is")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="farm-storm-"))
    ended = storm(folder, options.minutes * 60, options.seed)
    if options.keep:
        print(f"logs are in {folder}")
    else:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    sys.exit(1 if ended.wrongs else 0)


if __name__ == "__main__":
    main()
