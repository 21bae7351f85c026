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
from pathlib import Path

from tests.hosts.estate import HOOKS, Estate, estate
from tests.hosts.machines import Machine, until
from tests.hosts.weather import BUILDER_FAULTS, CENTRE_FAULTS
from tests.hosts.witness import Witness, leftovers

NAMES = ("basil", "mint", "sage", "thyme")
DEFINITION = "test: sh /app/test.sh\n"
SETTLING = 240.0  # s after the last fault until everything must have ended


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
        self._calm = threading.Event()
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def rage(self, seconds: float) -> None:
        """Push and break things at random for so long; then mend all and wait until the farm has done its work."""
        self.witness.start()
        pusher = threading.Thread(target=self._push_on, args=(random.Random(self.dice.random()),))
        timer = threading.Thread(target=self._deliver)
        pusher.start()
        timer.start()
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(3) as pool:
            while time.monotonic() < end:
                pool.submit(self._break_something, random.Random(self.dice.random()))
                time.sleep(self.dice.uniform(2, 6))
        self._calm.set()
        pusher.join()
        try:
            until(self._all_done, SETTLING, "every push has a final pipeline and nothing is left on any engine")
        except TimeoutError as error:
            self.mishaps.append(str(error))
        time.sleep(1)  # the witness looks once more
        timer.join()
        self.witness.stop()

    def _push_on(self, dice: random.Random) -> None:
        while not self._calm.wait(dice.uniform(0.5, 4)):
            repository = dice.choice(self.repositories)
            fails, seconds = dice.random() < 0.15, dice.choice([0, 0, 1, 2, 4, 8])
            verdict = "exit 1" if fails else "exit 0"
            script = f"echo test begins\nsleep {seconds}\necho test ends\n{verdict}\n"
            repository.write(DEFINITION, **{"test.sh": script})
            repository.commit("This must fail" if fails else f"Wait {seconds} s")
            try:
                repository.push()
                self.pushes += 1
            except subprocess.SubprocessError as error:
                self.mishaps.append(f"git push failed: {error}")

    def _deliver(self) -> None:
        """Do what the hook's timer does: offer again what the farm has not confirmed."""
        hook = [sys.executable, str(HOOKS / "post-receive"), "--deliver", *(str(one.bare) for one in self.repositories)]
        while not self._calm.is_set() or self._spooled():
            with contextlib.suppress(subprocess.SubprocessError):
                self.farm.centre.run(hook)
            self._calm.wait(5)
            if self._calm.is_set():
                time.sleep(1)

    def _spooled(self) -> bool:
        return any(list((one.bare / "farm" / "spool").glob("*.json")) for one in self.repositories)

    def _break_something(self, dice: random.Random) -> None:
        menu = [*BUILDER_FAULTS, *CENTRE_FAULTS]
        weights = [weight for _, weight in (*BUILDER_FAULTS.values(), *CENTRE_FAULTS.values())]
        name = dice.choices(menu, weights)[0]
        with self._lock:
            victims = [one for one in self.farm.builders if one not in self._busy]
            if name in CENTRE_FAULTS:
                victim = "centre"
            elif len(victims) > 1:  # one builder is left alone, so that work goes on
                victim = dice.choice(victims)
            else:
                return
            if victim in self._busy:
                return
            self._busy.add(victim)
        try:
            if victim == "centre":
                CENTRE_FAULTS[name][0](self.farm, dice)
            else:
                machine: Machine = self.farm.builders[victim]
                self.witness.hit(name, self.farm.worker(machine))
                BUILDER_FAULTS[name][0](self.farm, machine, dice)
            self.faults[name] += 1
        except Exception as error:  # noqa: BLE001 - the reckoning tells it
            self.mishaps.append(f"{name} on {victim}: {error!r}")
        finally:
            with self._lock:
                self._busy.discard(victim)

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

    def reckoning(self) -> Sequence[str]:
        """Print the table and return what was wrong."""
        pipelines = [one for name in NAMES for one in self.farm.record().pipelines(repository=name, limit=10000)]
        statuses = Counter(str(one.status) for one in pipelines)
        attempts = [job.attempts for one in pipelines for stage in one.stages for job in stage.jobs if job.attempts]
        recovered = sorted(hit.after for hit in self.witness.hits if hit.after is not None)
        print(
            f"pushes            {self.pushes}, pipelines {len(pipelines)}: "
            + ", ".join(f"{n} {s}" for s, n in statuses.items())
        )
        print(
            f"faults            {self.faults.total()}: " + ", ".join(f"{n} {f}" for f, n in self.faults.most_common())
        )
        print(f"steps             {len(attempts)}, run again {sum(attempts) - len(attempts)}")
        if recovered:
            p95 = recovered[min(len(recovered) - 1, int(len(recovered) * 0.95))]
            print(
                f"steps that were hit {len(self.witness.hits)}; ended or ran elsewhere after "
                f"median {statistics.median(recovered):.1f} s, p95 {p95:.1f} s, worst {recovered[-1]:.1f} s"
            )
        print(f"samples of latest {sum(map(len, self.witness.seen.values()))}")
        wrongs = [*self.mishaps, *self.witness.wrongs()]
        for wrong in wrongs:
            print(f"WRONG {wrong}")
        print("nothing lost, nothing doubled, nothing left behind" if not wrongs else f"{len(wrongs)} wrongs")
        return wrongs


def storm(folder: Path, seconds: float, seed: int, builders: int = 3) -> Sequence[str]:
    """Run one storm in a folder and return what was wrong."""
    print(f"storm of {seconds:.0f} s, seed {seed}, {builders} builders")
    with estate(folder) as farm:
        for number in range(1, builders + 1):
            farm.builder(f"b{number}")
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
    wrongs = storm(folder, options.minutes * 60, options.seed)
    if options.keep:
        print(f"logs are in {folder}")
    else:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    sys.exit(1 if wrongs else 0)


if __name__ == "__main__":
    main()
