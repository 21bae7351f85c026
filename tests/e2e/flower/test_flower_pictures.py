"""Every page, light and dark, wide and narrow: nothing sticks out. With PICTURES=docs/images the pictures are kept."""

import os
import time
from pathlib import Path

import pytest

from farm.pipeline import Status, Step

pytestmark = [pytest.mark.redis, pytest.mark.browser]

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

tests/test_rota.py \x1b[32m..\x1b[31mF\x1b[32m....\x1b[0m                                            [ 53%]
tests/test_web.py \x1b[32m......\x1b[0m                                                [100%]

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
GREEN = {"tests": {"total": 13, "passed": 13, "failed": 0, "skipped": 0, "failing": []}, "exit": 0}
RED = {
    "tests": {
        "total": 13,
        "passed": 12,
        "failed": 1,
        "skipped": 0,
        "failing": [
            {
                "name": "tests/test_rota.py::test_a_full_shift_takes_nobody",
                "message": "Failed: DID NOT RAISE <class 'thyme.rota.NotPossible'>",
                "seconds": 0.031,
            }
        ],
    },
    "exit": 1,
}
JOBS = (
    Step("build", "build", (), "build"),
    Step("test/unit", "test", ("build",), "test"),
    Step("test/gpu", "test", ("build",), "test+arm64+gpu"),
    Step("release", "release", ("test/unit", "test/gpu"), "release"),
)


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


def released(farm, subject, author, minutes):
    number = farm.push(subject, author=author, who=author.split()[0].lower())
    farm.run(number, "build", log=BUILD)
    farm.run(number, "test", log=BROKEN[:200], result=GREEN)
    claim = farm.claim(number, "release")
    farm.record.release_begin(claim, "latest")
    farm.record.release_done(claim, "latest")
    farm.record.commit(claim, Status.PASSED, result={"released": ["latest"]})
    aged(farm, number, minutes, build=6.2, test=9.8, release=0.12)
    return number


def an_ordinary_day(farm):
    """Pipelines of every kind; returns the pages worth a look."""
    farm.worker(busy=("#9 test",))
    farm.worker("w2@c2", ("release", "test", "build", "test+gpu"), host="c2", slots=8, labels=("gpu",))
    good = [
        released(farm, subject, author, minutes)
        for subject, author, minutes in (
            ("Lay out the rota by day", "Ada Oyelaran", 190),
            ("Say why a shift is full", "Grace Lindqvist", 95),
            ("Round hours to quarters", "Henrik Dahl", 41),
        )
    ]
    bad = farm.push("Let everybody sign up twice for the compost", author="Farid Haddad", ref="refs/heads/compost")
    farm.run(bad, "build", log=BUILD)
    farm.run(bad, "test", Status.FAILED, reason="1 of 13 tests failed", log=BROKEN, result=RED)
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
    farm.run(jobs, "test/unit", result=GREEN)
    aged(farm, jobs, 3, build=12.4, test_unit=21.7, test_gpu=None)
    farm.client.hdel(f"farm:pipeline:{jobs}:step:test/gpu", "started")
    live = farm.push("Show free places on the front page")
    farm.run(live, "build", log=BUILD)
    claim = farm.claim(live, "test")
    with farm.writer(claim) as writer:
        writer.write(f"--- attempt 1 on w1@c1 ---\n{BROKEN[:420]}".encode())
    aged(farm, live, 0.4, build=6.0, test=None)
    farm.push("Open the gate at eight", author="Grace Lindqvist", who="grace")
    return {
        "pipelines": "/pipelines",
        "pipeline-failed": f"/pipelines/{bad}",
        "pipeline-running": f"/pipelines/{live}",
        "pipeline-passed": f"/pipelines/{good[0]}",
        "pipeline-waiting": f"/pipelines/{jobs}",
        "log": f"/pipelines/{bad}/logs/test",
        "queues": "/queues",
    }


def test_every_page_fits_light_and_dark_wide_and_narrow(another_farm, serve, look, tmp_path):
    pages = an_ordinary_day(another_farm)
    served = serve(redis_url=another_farm.url)
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    for width in (1280, 390):
        for dark in (False, True):
            page = look(width=width, dark=dark)
            for name, path in pages.items():
                assert page.goto(served.url + path).status == 200
                page.locator(".farm h1").first.wait_for()
                page.evaluate("document.fonts.ready")
                picture = folder / f"{name}-{'dark' if dark else 'light'}-{width}.png"
                page.screenshot(path=picture, animations="disabled")
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), picture.name
                assert page.evaluate("document.body.scrollHeight < 20000"), picture.name
