"""What a push costs and what becomes of it while the farm is slow, hung, wrong or gone."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

SILENT = "warning: the farm does not answer; the push is safe, its pipeline will start by itself"
LIMIT = 8.0  # seconds that a push may take whatever the farm does: the hook's 1.2 and a busy machine's git


@pytest.fixture
def gone(git):
    """The address of a farm that is not there: nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    git.install(address, prompt=True)
    return address


@pytest.mark.parametrize("mood", ["hang", "trickle", "garbage", "web"])
def test_a_farm_that_misbehaves_neither_fails_nor_holds_up_a_push(git, door, mood, poll):
    git.install(door.url, prompt=True)
    door.mood = mood
    git.commit()
    pushed = git.push("HEAD:main")
    assert pushed.code == 0
    assert SILENT in pushed.output
    assert pushed.seconds < LIMIT
    (update,) = git.spool()
    assert update["ref"] == "refs/heads/main"
    if mood in ("garbage", "web"):  # it comes to its senses, and the child that stayed behind delivers
        door.mood = "ok"
        poll(lambda: git.spool() == [], what="the spool to be empty")
        assert door.asked[-1]["updates"][0]["id"] == update["id"]


def test_a_slow_farm_gets_the_push_once_and_late(git, door, poll):
    git.install(door.url, prompt=True)
    door.delay = 1.6
    git.commit()
    pushed = git.push("HEAD:main")
    assert SILENT in pushed.output
    assert pushed.seconds < LIMIT
    poll(lambda: git.spool() == [], what="the spool to be empty")
    assert len(door.asked) == 1


@pytest.mark.usefixtures("gone")
def test_a_farm_that_is_gone_gets_the_push_when_it_is_back(git, door, poll):
    git.commit()
    pushed = git.push("HEAD:main")
    assert pushed.code == 0
    assert SILENT in pushed.output
    assert pushed.seconds < LIMIT
    assert len(git.spool()) == 1
    git.install(door.url)
    done = git.deliver()
    assert (done.returncode, done.stderr) == (0, "")
    poll(lambda: git.spool() == [])
    assert len(door.updates) == 1


def test_an_address_that_cannot_be_found_or_understood_is_a_farm_that_does_not_answer(git):
    for url in ("http://no.such.host.invalid:1", "nonsense", "http://127.0.0.1:99999"):
        git.install(url, prompt=True)
        git.commit()
        pushed = git.push("HEAD:main")
        assert pushed.code == 0
        assert SILENT in pushed.output
    assert len(git.spool()) == 3


@pytest.mark.parametrize(("status", "words"), [(503, SILENT), (500, SILENT), (401, "farm hook install")])
def test_an_answer_that_is_no_refusal_keeps_the_push_in_the_spool(git, door, status, words):
    door.status, door.detail = status, "this token is not known"
    git.commit()
    assert words in git.push("HEAD:main").output
    assert len(git.spool()) == 1
    assert git.spool("refused") == []
    done = git.deliver()
    assert done.returncode == 1
    assert "this token is not known" in done.stderr


def test_what_the_farm_refuses_is_put_aside_and_the_rest_delivered(git, door, poll):
    door.refuse = lambda update: update["ref"] == "refs/heads/odd"
    door.detail = "no such ref may be"
    git.commit()
    pushed = git.push("HEAD:main", "HEAD:odd")
    assert "error: the farm refuses refs/heads/odd: no such ref may be" in pushed.output
    poll(lambda: git.spool() == [])
    (refused,) = git.spool("refused")
    assert refused["refused"] == "no such ref may be"
    assert json.loads(refused["report"])["ref"] == "refs/heads/odd"
    assert door.asked[-1]["updates"][0]["ref"] in ("refs/heads/main", "refs/heads/odd")
    assert git.deliver().returncode == 0


@pytest.mark.parametrize("page", [b"<html>Request Entity Too Large</html>", b'{"detail": "too long"}'])
def test_what_is_too_long_for_whoever_stands_before_the_farm_is_told_in_parts(git, door, page, poll):
    """A proxy knows its own limit and answers with a page of its own."""
    answer = door.answer

    def short(path, asked):
        return answer(path, asked) if asked is None or len(asked["updates"]) < 3 else None

    def reply(connection, text, mood, real=door.reply):
        if text.startswith(b"HTTP/1.1 413"):
            text = b"HTTP/1.1 413 Too Long\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)
        real(connection, text, mood)

    door.answer, door.reply = lambda *asked: short(*asked) or (413, {}), reply
    new = git.commit()
    refs = [f"refs/heads/b{number}" for number in range(7)]
    assert git.push(*[f"{new}:{ref}" for ref in refs]).code == 0
    poll(lambda: git.spool() == [])
    assert git.spool("refused") == []
    told = [update["ref"] for asked in door.asked if len(asked["updates"]) < 3 for update in asked["updates"]]
    assert sorted(told) == refs


@pytest.mark.parametrize("pipelines", [[7], [None], [{"id": []}]])
def test_an_answer_of_something_else_keeps_the_push_in_the_spool(git, door, pipelines, poll):
    door.answer = lambda *_: (200, {"pipelines": pipelines, "lines": []})
    git.commit()
    assert SILENT in git.push("HEAD:main").output
    assert len(git.spool()) == 1
    poll(lambda: len(git.lingering()) == 1, what="who stays behind")
    done = git.deliver()
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_an_answer_that_leaves_an_update_out_keeps_it(git, door):
    door.answer = lambda *_: (200, {"pipelines": [], "lines": ["hello"]})
    git.commit()
    assert SILENT in git.push("HEAD:main").output
    assert len(git.spool()) == 1


@pytest.mark.usefixtures("gone")
def test_the_spool_is_offered_in_order_and_by_push(git, door):
    first = git.commit()
    git.push("-o", "a=1", "HEAD:main", "HEAD:other")
    second = git.commit()
    git.push("HEAD:main")
    assert len(git.spool()) == 3
    git.install(door.url)
    (git.bare / "farm/spool/0-broken.json").write_text("{")
    threads = [threading.Thread(target=git.deliver) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert git.spool() == []
    assert len(git.spool("refused")) == 1
    assert [asked["options"] for asked in door.asked] == [["a=1"], []]
    assert [update["new"] for update in door.updates] == [first, first, second]


def test_a_later_push_takes_the_older_ones_along(git, door, poll):
    git.commit()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        git.install(f"http://127.0.0.1:{deaf.getsockname()[1]}", prompt=True)
        git.push("HEAD:main")
    (path,) = (git.bare / "farm/spool").glob("*.json")
    path.rename(path.with_name("0000000001.000000-" + path.name.split("-", 1)[1]))
    git.install(door.url)
    git.commit()
    git.push("HEAD:main")
    poll(lambda: git.spool() == [])
    assert len(door.updates) >= 2


def test_a_spool_that_cannot_be_written_does_not_keep_a_push_from_the_farm(git, door):
    (git.bare / "farm/spool").write_text("a file where the folder should be")
    door.lines = ["success: pipeline #218 queued"]
    git.commit()
    pushed = git.push("HEAD:main")
    assert pushed.code == 0
    assert "spool cannot be written" in pushed.output
    assert "success: pipeline #218 queued" in pushed.output


def test_broken_settings_are_one_word_of_warning(git):
    (git.bare / "farm/hook.json").write_text("{")
    git.commit()
    pushed = git.push("HEAD:main")
    assert pushed.code == 0
    assert pushed.output.count("warning:") == 1
    assert "Traceback" not in pushed.output


@pytest.mark.usefixtures("gone")
def test_who_stays_behind_holds_no_stream_and_is_alone(git, poll):
    git.commit()
    start = time.monotonic()
    for number in range(4):
        git.push(f"HEAD:refs/heads/b{number}")
    assert time.monotonic() - start < 4 * LIMIT

    poll(lambda: len(git.lingering()) == 1, what="one process to be left")
    (process,) = git.lingering()
    assert [str((process / f"fd/{number}").readlink()) for number in range(3)] == ["/dev/null"] * 3
    os.kill(int(process.name), signal.SIGTERM)


def test_a_pusher_who_is_killed_has_pushed_all_the_same(git, door, poll):
    door.delay = 0.5
    new = git.commit()
    process = subprocess.Popen(
        ["git", "push", "-q", "origin", "HEAD:main"],
        cwd=git.work,
        env=git.env,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    poll(lambda: door.asked, what="the report")
    os.killpg(process.pid, signal.SIGINT)
    process.wait()
    poll(lambda: git.spool() == [])
    assert door.updates[0]["new"] == new
