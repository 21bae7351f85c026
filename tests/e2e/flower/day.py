"""An ordinary day of a farm: pipelines of every kind, made as the dispatcher and the workers make them."""

import time
from random import Random
from xml.sax.saxutils import quoteattr

from farm.pipeline import Status, Step
from farm.record import Disk, Machine
from workers import junit

BUILD = """$ docker build (BuildKit, through the API)
#1 [internal] load build definition from Dockerfile
#5 [2/5] RUN useradd --create-home --uid 10001 thyme
#6 [3/5] COPY requirements.txt .
#7 [4/5] RUN pip install -r requirements.txt
#7 2.41 Successfully installed flask-3.0.3 psycopg-3.2.1 waitress-3.0.0
#8 [5/5] COPY . .
#9 exporting to image
"""
BROKEN = """$ python -m pytest --junitxml=report.xml
\x1b[1m============================= test session starts ==============================\x1b[0m
platform linux -- Python 3.12.4, pytest-8.3.3, pluggy-1.5.0
collected 13 items

tests/test_rota.py \x1b[32m..\x1b[31mF\x1b[32m....\x1b[0m                                               [ 53%]
tests/test_web.py \x1b[32m......\x1b[0m                                                 [100%]

=================================== FAILURES ===================================
\x1b[31m\x1b[1m______________________ test_a_full_shift_takes_nobody ______________________\x1b[0m

    def test_a_full_shift_takes_nobody(rota, ada, watering):
        rota.sign_up(watering.id, ada.id)
>       with pytest.raises(NotPossible, match="full"):
\x1b[1m\x1b[31mE       Failed: DID NOT RAISE <class 'thyme.rota.NotPossible'>\x1b[0m

\x1b[1m\x1b[31mtests/test_rota.py\x1b[0m:34: Failed
\x1b[31mFAILED\x1b[0m tests/test_rota.py::\x1b[1mtest_a_full_shift_takes_nobody\x1b[0m - Failed: DID NOT RAISE
\x1b[31m=================== \x1b[1m1 failed\x1b[0m, \x1b[32m12 passed\x1b[0m\x1b[31m in 0.61s ===================\x1b[0m
"""
TESTS = {
    "tests.test_rota": (
        *("test_a_day_has_shifts", "test_an_empty_rota_says_so", "test_a_full_shift_takes_nobody"),
        *("test_nobody_signs_up_twice", "test_hours_are_rounded", "test_a_shift_may_be_given_back", "test_thanks"),
    ),
    "tests.test_web": (
        *("test_front_page", "test_sign_up", "test_sign_off", "test_the_rota_by_day", "test_health", "test_mail[smtp]"),
    ),
}
WHY = {
    "test_a_full_shift_takes_nobody": "Failed: DID NOT RAISE <class 'thyme.rota.NotPossible'>",
    "test_mail[smtp]": "AssertionError: no mail within 5 s\nassert 0 == 1\n +  where 0 = len([])",
    "test_hours_are_rounded": "assert 7.5 == 7.25",
    "test_thanks": "assert 'thank you' in 'see you'",
}
JOBS = (
    Step("build", "build", (), "build"),
    Step("test/unit", "test", ("build",), "test"),
    Step("test/gpu", "test", ("build",), "test+arm64+gpu"),
    Step("release", "release", ("test/unit", "test/gpu"), "release"),
)


def run_tests(farm, number, *failing: str, step="test", log=BROKEN[:200]):
    """Run a test job as a worker does: its JUnit file is read, the branch remembers it, the job is committed."""
    claim = farm.claim(number, step)
    with farm.writer(claim) as writer:
        writer.write(f"--- attempt {claim.attempt} on {claim.worker} ---\n{log}".encode())
    cases = "".join(
        f'<testcase classname="{suite}" name="{name}" time="{(number * 7 + len(name)) % 19 / 30 + 0.01:.3f}">'
        + (f"<failure message={quoteattr(WHY[name])}/>" if name in failing else "")
        + "</testcase>"
        for suite, names in TESTS.items()
        for name in names
    )
    report = junit.read([f"<testsuite>{cases}</testsuite>".encode()])
    tests = report.document() | {"changes": farm.record.remember(claim, step, report.results)}
    status = Status.FAILED if failing else Status.PASSED
    reason = report.sentence if failing else None
    farm.record.commit(claim, status, reason=reason, result={"tests": tests, "exit": int(bool(failing))})


def busy(farm):
    """Give the queues an hour of work."""
    now, chance = int(farm.client.time()[0]), Random(7)
    for queue, often, ran in (("build", 4, 13), ("test", 5, 17), ("release", 3, 2), ("test+gpu", 1, 22)):
        for minute in range(60):
            many = chance.randrange(often + 1) * (3 if 25 < minute < 34 else 1)
            for _ in range(many):
                wait, run = chance.randrange(1, 4 + 8 * (25 < minute < 36)), ran + chance.randrange(-2, 3)
                key = f"farm:load:{queue}:60:{now // 60 - 59 + minute}"
                for field in ("n", f"w{wait}", f"r{max(run, 0)}"):
                    farm.client.hincrby(key, field, 1)


def aged(farm, number, minutes, **steps: float | None):
    """Give a pipeline the times of an ordinary one: pushed some minutes ago, each step so many seconds long."""
    at = time.time() - minutes * 60
    key = f"farm:pipeline:{number}"
    values = {"created": at} | ({"started": at + 0.4} if steps else {})
    for name, seconds in steps.items():
        row = {"ready": at, "started": at + 0.4}
        at += 0.4 + (seconds or 0)
        if seconds:
            row["finished"] = values["finished"] = at
        farm.client.hset(f"{key}:step:{name.replace('_', '/')}", mapping=row)
    if not farm.client.hget(key, "finished"):
        values.pop("finished", None)
    farm.client.hset(key, mapping=values)


def machine(load, cores, free, memory, disk):
    """A machine with so many GiB of memory, free and in all, and of disk free."""
    return Machine(load, cores, free << 30, memory << 30, (Disk("/var/lib/docker", int(disk * 2**30), 200 << 30),))


def released(farm, subject, author, minutes):
    number = farm.push(subject, author=author, who=author.split()[0].lower())
    farm.run(number, "build", log=BUILD)
    run_tests(farm, number)
    claim = farm.claim(number, "release")
    farm.record.release_begin(claim, "latest")
    farm.record.release_done(claim, "latest")
    farm.record.commit(claim, Status.PASSED, result={"released": ["latest"]})
    aged(farm, number, minutes, build=6.2, test=9.8, release=0.12)
    return number


def dated(farm, tag, minutes):
    """Give the releases of a tag, the oldest first, times so many minutes ago."""
    rows = farm.client.xrange(f"farm:releases:{tag}")
    farm.client.delete(f"farm:releases:{tag}")
    for (_, row), ago in zip(rows, minutes, strict=True):
        farm.client.xadd(f"farm:releases:{tag}", row, id=f"{int(time.time() - ago * 60)}000-0")


def an_ordinary_day(farm):
    """Pipelines of every kind; returns the pages worth a look."""
    farm.worker(busy=("#12 test",), machine=machine(1.4, 4, 5, 16, 61))
    big = machine(0.2, 8, 27, 32, 140)
    farm.worker("w2@c2", ("release", "test", "build", "test+gpu"), host="c2", slots=8, labels=("gpu",), machine=big)
    full = "has 1.2 GiB left on the disk of /var/lib/docker, less than 2.0 GiB"
    farm.worker("w3@c3", host="c3", closed=full, machine=machine(0.1, 4, 12, 16, 1.2))
    good = [
        released(farm, subject, author, minutes)
        for subject, author, minutes in (
            ("Lay out the rota by day", "Ada Oyelaran", 190),
            ("Say why a shift is full", "Grace Lindqvist", 95),
            ("Round hours to quarters", "Henrik Dahl", 41),
        )
    ]
    dated(farm, "thyme:latest", (190, 95, 41))
    for failing, minutes in ((("test_mail[smtp]",), 80), ((), 66), (("test_thanks", "test_hours_are_rounded"), 52)):
        earlier = farm.push("Weigh the compost", author="Farid Haddad", who="farid", ref="refs/heads/compost")
        farm.run(earlier, "build", log=BUILD)
        run_tests(farm, earlier, *failing)
        if not failing:
            farm.run(earlier, "release")
        aged(farm, earlier, minutes, build=6.1, test=8.8, **({} if failing else {"release": 0.1}))
    subject = "Let everybody sign up twice for the compost"
    bad = farm.push(subject, author="Farid Haddad", who="farid", ref="refs/heads/compost")
    farm.run(bad, "build", log=BUILD)
    run_tests(farm, bad, "test_a_full_shift_takes_nobody", "test_mail[smtp]", "test_thanks", log=BROKEN)
    aged(farm, bad, 33, build=5.9, test=8.1)
    typo = farm.push("Name the test stage", author="Bruno Castel", who="bruno", steps=())
    farm.record.close(typo, Status.FAILED, '.farm.yml:2:3: unknown key "scirpt" (did you mean "script"?)')
    aged(farm, typo, 27)
    lost = farm.push("Label the seeds", repository="seedbank", author="Elif Aydin", who="elif")
    why = "the registry at 127.0.0.1:5000 does not answer; start it and retry"
    farm.run(lost, "build", Status.ERRORED, reason=why, log="error: connection refused\n")
    aged(farm, lost, 21, build=31.0)
    skipped = farm.push("Mend a typo in the docs", repository="seedbank", author="Elif Aydin", steps=())
    farm.record.close(skipped, Status.SKIPPED, "skipped: the commit message says [ci skip]")
    aged(farm, skipped, 12)
    jobs = farm.push("Train the bee counter", repository="bees", author="Dmitri Volkov", who="dmitri", steps=JOBS)
    farm.run(jobs, "build", log=BUILD)
    run_tests(farm, jobs, step="test/unit")
    aged(farm, jobs, 3, build=12.4, test_unit=21.7, test_gpu=None)
    farm.client.hdel(f"farm:pipeline:{jobs}:step:test/gpu", "started")
    live = farm.push("Show free places on the front page")
    farm.run(live, "build", log=BUILD)
    claim = farm.claim(live, "test")
    with farm.writer(claim) as writer:
        writer.write(f"--- attempt 1 on w1@c1 ---\n{BROKEN[:420]}".encode())
    aged(farm, live, 0.4, build=6.0, test=None)
    gone = farm.push("Open the gate at eight", author="Grace Lindqvist", who="grace")
    farm.claim(gone, "build", "w9@c9")
    busy(farm)
    place = "repository=thyme&branch=compost"
    return {
        "pipelines": "/pipelines",
        "pipeline-failed": f"/pipelines/{bad}",
        "pipeline-running": f"/pipelines/{live}",
        "pipeline-passed": f"/pipelines/{good[0]}",
        "pipeline-waiting": f"/pipelines/{jobs}",
        "log": f"/pipelines/{bad}/logs/test",
        "log-search": f"/pipelines/{bad}/logs/test?find=rota",
        "tests": f"/tests?{place}",
        "test-history": f"/tests?{place}&test=tests.test_web::test_mail[smtp]",
        "queues": "/queues",
        "machines": "/machines",
        "images": "/images",
    }
