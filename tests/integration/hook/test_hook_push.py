"""What a push reports and prints while the farm answers."""

import ast
import stat
import threading

import pytest


@pytest.fixture(autouse=True)
def _lines(door):
    door.lines = ['farm: thyme main 3f9c2e1 "Fix VAT"', "success: pipeline #218 queued (build -> test -> release)"]


def test_is_understood_by_python_3_7(git):
    ast.parse((git.bare / "hooks/post-receive").read_text(), feature_version=(3, 7))


def test_a_push_is_reported_and_answered(git, door):
    new = git.commit()
    pushed = git.push("HEAD:main")
    assert pushed.code == 0
    assert 'remote: farm: thyme main 3f9c2e1 "Fix VAT"' in pushed.output
    assert "remote: success: pipeline #218 queued" in pushed.output
    (asked,) = door.asked
    assert asked["repository"] == "thyme"
    assert asked["pusher"]
    assert asked["options"] == []
    assert 0 < asked["wait"] <= 0.9
    (update,) = asked["updates"]
    assert (update["ref"], update["old"], update["new"]) == ("refs/heads/main", "0" * 40, new)
    assert update["reflog"] == [["0" * 40, new, update["line"]]]
    assert "Authorization: Bearer secret-of-thyme" in door.headers[0]
    assert git.spool() == []


def test_back_and_forth_is_in_the_reflog_and_only_the_last_fifty_go_along(git, door):
    first, second = git.commit("A"), git.commit("B")
    for _ in range(2):
        git.push("-f", f"{first}:refs/heads/main")
        git.push("-f", f"{second}:refs/heads/main")
    assert [len(update["reflog"]) for update in door.updates] == [1, 2, 3, 4]
    log = door.updates[-1]["reflog"]
    assert [line[:2] for line in log] == [["0" * 40, first], [first, second], [second, first], [first, second]]
    assert [line[2] for line in log] == [update["line"] for update in door.updates]
    assert len({update["id"] for update in door.updates}) == 4
    log = git.bare / "logs/refs/heads/main"
    line = f"{second} {second} A <a@example.org> 1 +0000\tpush of an earlier day, with a long word {'x' * 400}\n"
    log.write_text(line * 200 + log.read_text())
    git.push("-f", f"{first}:refs/heads/main")
    assert len(door.updates[-1]["reflog"]) == 50
    assert door.updates[-1]["reflog"][-1][:2] == [second, first]
    assert door.updates[-1]["reflog"][0][:2] == [second, second]


def test_all_updates_of_one_push_go_in_one_request(git, door):
    new = git.commit()
    git("tag", "v1")
    git("push", "-q", "origin", "HEAD:gone")
    door.asked.clear()
    pushed = git.push("HEAD:main", "HEAD:refs/heads/-x", "HEAD:refs/heads/süß/日本", "v1", ":gone")
    assert pushed.code == 0
    (asked,) = door.asked
    refs = {update["ref"]: (update["old"], update["new"]) for update in asked["updates"]}
    zero = "0" * 40
    assert refs == {
        "refs/heads/main": (zero, new),
        "refs/heads/-x": (zero, new),
        "refs/heads/süß/日本": (zero, new),
        "refs/tags/v1": (zero, new),
        "refs/heads/gone": (new, zero),
    }
    assert next(update["reflog"] for update in asked["updates"] if update["new"] == zero) == []


def test_thousand_refs_in_one_push(git, door, poll):
    git.install(door.url, prompt=True)  # it leaves the disk alone after a while
    new = git.commit()
    git("config", "receive.unpackLimit", "1", cwd=git.bare)
    pushed = git.push(*[f"{new}:refs/heads/b{number}" for number in range(1000)])
    assert pushed.code == 0
    poll(lambda: git.spool() == [])
    assert len(door.asked) == 1
    assert len(door.updates) == 1000


def test_more_refs_than_the_farm_takes_at_once_go_in_parts(git, door, poll):
    hook = git.bare / "hooks/post-receive"
    hook.write_bytes(hook.read_bytes().replace(b"\nPART = 5000 ", b"\nPART = 3 "))
    new = git.commit()
    refs = [f"refs/heads/b{number}" for number in range(7)]
    assert git.push(*[f"{new}:{ref}" for ref in refs]).code == 0
    poll(lambda: git.spool() == [])
    assert [len(asked["updates"]) for asked in door.asked] == [3, 2, 2]
    assert [update["ref"] for update in door.updates] == refs


def test_a_name_that_is_no_utf8_is_refused_with_a_word(git, door):
    git.commit()
    git("push", "-q", "origin", "HEAD:main")
    door.asked.clear()
    packed = (git.work / ".git/refs/heads").absolute()
    (packed / "odd").write_text(git("rev-parse", "HEAD") + "\n")
    (packed / "odd").rename(str(packed) + "/x\udcff")
    pushed = git.push("--all")
    assert pushed.code == 0
    assert r"refs/heads/x\xff" in pushed.output
    assert "not UTF-8" in pushed.output
    assert all("\\xff" not in update["ref"] for update in door.updates)


def test_push_options_go_along(git, door):
    git.commit()
    git.push("-o", "farm.skip", "-o", "farm.var=K=ü", "HEAD:main")
    assert door.asked[0]["options"] == ["farm.skip", "farm.var=K=ü"]


def test_printed_lines_hold_no_escapes(git, door):
    door.lines = ["farm: \x1b[31mred\x1b[0m \x1b]0;title\x07\rover\x9b2J\u202eback", "one\ntwo"]
    git.commit()
    output = git.push("HEAD:main").output
    lines = [line.removeprefix("remote: ").rstrip() for line in output.splitlines() if line.startswith("remote:")]
    assert [line for line in lines if line] == ["farm: red over2Jback", "one", "two"]


def test_sha256(gits, door):
    git = gits(form="sha256")
    git.install(door.url)
    new = git.commit()
    assert git.push("HEAD:main").code == 0
    assert door.updates[0]["new"] == new
    assert door.updates[0]["reflog"] == [["0" * 64, new, door.updates[0]["line"]]]


def test_a_hook_that_was_here_before_gets_the_same_lines(git):
    new = git.commit()
    before = git.bare / "hooks/post-receive.farm-previous"
    before.write_text('#!/bin/sh\necho "before: $(cat) in $GIT_DIR"\nexit 3\n')
    before.chmod(0o755)
    pushed = git.push("HEAD:main")
    assert pushed.code == 0
    assert f"before: {'0' * 40} {new} refs/heads/main in ." in pushed.output
    assert "pipeline #218 queued" in pushed.output
    before.write_text("#!/bin/sh\nexec true\n")
    git.commit()
    assert "pipeline #218 queued" in git.push("HEAD:main").output


def test_a_hook_that_was_here_before_makes_files_as_before(git):
    before = git.bare / "hooks/post-receive.farm-previous"
    before.write_text("#!/bin/sh\ntouch deployed\n")
    before.chmod(0o755)
    git.commit()
    plain = git.folder / "plain"
    plain.touch()
    git.push("HEAD:main")
    assert (git.bare / "deployed").stat().st_mode == plain.stat().st_mode


def test_a_repository_without_the_farm_is_left_alone(git):
    (git.bare / "farm/hook.json").unlink()
    git.commit()
    pushed = git.push("HEAD:main")
    assert (pushed.code, pushed.output) == (0, "")


def test_a_shared_repository_shares_its_spool(git, door):
    git.bare.chmod(0o2775)
    door.mood = "garbage"
    git.commit()
    git.push("HEAD:main")
    spool = git.bare / "farm/spool"
    assert stat.S_IMODE(spool.stat().st_mode) == 0o2770
    assert {stat.S_IMODE(path.stat().st_mode) for path in spool.glob("*.json")} == {0o660}


def test_watch_follows_to_the_verdict(git, door):
    def document(status, build, test, more=None):
        stages = [{"name": "build", "status": build, "jobs": []}, {"name": "test", "status": test, "jobs": []}]
        return {"number": 218, "status": status, "created": 100.0, "stages": stages, "waiting": None, **(more or {})}

    looks = [document("running", "running", "pending"), document("running", "passed", "running")]
    last = document("failed", "passed", "failed", {"finished": 114.0, "reason": "2 of 9 tests failed\nand more"})
    failing = [{"name": f"tests/test_vat.py::test_{number}", "message": "assert 1 == 2\nmore"} for number in range(12)]
    failing[1] = {**failing[0], "suite": "tests.test_tax"}
    last["stages"][1]["jobs"] = [{"name": "test", "status": "failed", "result": {"tests": {"failing": failing}}}]
    door.documents = lambda _: looks.pop(0) if looks else last
    git.commit()
    output = git.push("-o", "farm.watch", "HEAD:main").output
    assert "farm: #218 build running, test pending" in output
    assert "farm: #218 build passed, test running" in output
    assert "error: pipeline #218 failed after 14 s: 2 of 9 tests failed" in output
    assert "remote:   and more" in output
    assert output.count("failing: ") == 10
    assert "failing: tests/test_vat.py::test_0  assert 1 == 2" in output
    assert "failing: tests.test_tax::tests/test_vat.py::test_0  assert 1 == 2" in output
    assert "and 2 more" in output
    assert f"{door.url}/pipelines/218" in output
    assert "farm logs 218 --failed" in output


def test_watch_says_nothing_twice_and_leads_to_what_there_is(git, door):
    door.status_of_pipelines = "failed"
    git.commit()
    assert "after" not in git.push("-o", "farm.watch", "HEAD:main").output
    door.status_of_pipelines = "pending"
    door.documents = lambda _: {
        "number": 219,
        "status": "failed",
        "reason": "definition\n.farm.yml:1:1: x",
        "stages": [],
    }
    git.commit()
    output = git.push("-o", "farm.watch", "HEAD:main").output
    assert ".farm.yml:1:1: x" in output
    assert "hint: farm show 219" in output


def test_watch_speaks_when_nothing_changes_and_leaves_off_in_the_end(git, door):
    hook = git.bare / "hooks/post-receive"
    text = hook.read_text()
    assert "\nWATCH = 600.0 " in text
    assert "\nTICK = 15.0 " in text
    hook.unlink()
    hook.write_text(text.replace("\nWATCH = 600.0 ", "\nWATCH = 1.2 ").replace("\nTICK = 15.0 ", "\nTICK = 0.4 "))
    hook.chmod(0o755)
    stages = [{"name": "build", "status": "running", "jobs": []}]
    door.documents = lambda _: {"number": 218, "status": "running", "created": 100.0, "stages": stages}
    git.commit()
    output = git.push("-o", "farm.watch", "HEAD:main").output
    assert output.count("farm: #218 build running") > 1
    assert output.count("hint: still running; go on with: farm watch 218") == 1


def test_pushes_at_once_are_all_reported(git, door):
    heads = [git.commit(str(number)) for number in range(8)]
    threads = [
        threading.Thread(target=git.push, args=(f"{head}:refs/heads/b{number}",)) for number, head in enumerate(heads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(update["new"] for update in door.updates) == sorted(heads)
    assert git.spool() == []


def test_a_hook_adds_little_to_a_push(git):
    git.commit()
    git.push("HEAD:main")
    bare, reported = [], []
    hook = git.bare / "hooks/post-receive"
    for number in range(5):
        hook.chmod(0o755)
        reported.append(git.push(f"HEAD:refs/heads/a{number}").seconds)
        hook.chmod(0o644)
        bare.append(git.push(f"HEAD:refs/heads/b{number}").seconds)
    assert min(reported) - min(bare) < 1
