from dataclasses import replace

from farm.answer import Outcome, compose
from farm.pipeline import Status
from farm.push import ZERO, Push

WEB = "https://farm.example"
COMMIT = "3f9c2e1" + "0" * 33
STAGES = ("build", "test", "release")


def push(ref="refs/heads/main", new=COMMIT):
    return Push("u1", "thyme", ref, "1" * 40, new)


def test_a_push_is_queued():
    outcome = Outcome(push(), 218, subject="Fix VAT rounding", stages=STAGES)
    assert compose([outcome], WEB) == [
        'farm: thyme main 3f9c2e1 "Fix VAT rounding"',
        "success: pipeline #218 queued (build -> test -> release)",
        "  https://farm.example/pipelines/218",
        "hint: farm watch 218  |  git push -o farm.watch  |  -o farm.skip",
    ]


def test_what_was_asked_for_by_hand_is_given_no_options_of_a_push():
    asked = Outcome(replace(push(), source="manual"), 218, stages=STAGES)
    assert compose([asked], WEB)[-1] == "hint: farm watch 218"


def test_what_will_not_be_released_is_said():
    outcome = Outcome(push(), 218, reason="no .farm.yml: nothing is tested", stages=("build",))
    assert compose([outcome], WEB)[1] == "success: pipeline #218 queued (build); no .farm.yml: nothing is tested"


def test_mistakes_of_the_definition():
    mistake = '.farm.yml:12:3: unknown key "scirpt" (did you mean "script"?)'
    outcome = Outcome(push(), 218, Status.FAILED, "Fix", "definition", [mistake])
    assert compose([outcome], WEB) == [
        'farm: thyme main 3f9c2e1 "Fix"',
        f"error: {mistake}",
        "error: pipeline #218 failed: definition",
        "  https://farm.example/pipelines/218",
        "hint: `farm lint` checks .farm.yml before the push",
    ]


def test_a_secret_that_lacks_is_none_of_lints():
    mistake = '.farm.yml:6:17: there is no secret "KEY" (make it: farm secret set thyme KEY)'
    alone = Outcome(push(), 218, Status.FAILED, reason="definition", messages=[mistake])
    assert compose([alone], WEB)[-1] == "hint: farm retry 218, once it is there"
    both = replace(alone, messages=[mistake, '.farm.yml:1:1: unknown key "tset"'])
    assert compose([both], WEB)[-1] == "hint: `farm lint` checks .farm.yml before the push"


def test_a_misspelt_push_option_is_said_and_those_of_other_hooks_are_not():
    options = ("farm.skp", "farm.watch", "ci.skip")
    lines = compose([Outcome(replace(push(), options=options), number) for number in (1, 2)], WEB)
    assert lines.count("warning: the push option farm.skp is unknown (known: farm.skip, farm.watch, farm.var)") == 1
    assert "ci.skip" not in "".join(lines)


def test_no_more_mistakes_than_a_person_reads():
    lines = compose([Outcome(push(), 1, Status.FAILED, "", "definition", [str(n) for n in range(30)])], WEB)
    assert lines[10:12] == ["error: 9", "error: and 20 more mistakes"]


def test_a_deleted_branch():
    outcome = Outcome(push(new=ZERO), 218, Status.SKIPPED, reason="the branch was deleted")
    assert compose([outcome], WEB)[:2] == ["farm: thyme main", "pipeline #218 skipped: the branch was deleted"]


def test_not_looked_at_yet():
    assert compose([Outcome(push(), 218)], WEB)[1] == "success: pipeline #218 accepted"


def test_known_already():
    lines = compose([Outcome(push(), 218, Status.RUNNING, known=True, stages=STAGES)], WEB)
    assert lines[1] == "pipeline #218 is known already and running"


def test_nobody_serves_the_queue():
    outcome = Outcome(push(), 218, stages=STAGES, waiting="no worker serves `arm64`")
    assert "warning: no worker serves `arm64`" in compose([outcome], WEB)


def test_the_repository_is_away():
    outcome = Outcome(push(), 218, reason="the repository does not answer")
    assert compose([outcome], WEB)[1] == "warning: pipeline #218 waits: the repository does not answer"


def test_many_refs():
    lines = compose([Outcome(push(f"refs/heads/b{n}"), n, stages=STAGES) for n in range(17)], WEB)
    assert sum(line.startswith("farm: ") for line in lines) == 5
    assert lines[-2] == "and 12 more: https://farm.example/pipelines"


def test_nothing_of_a_stranger_acts_on_the_terminal():
    outcome = Outcome(push(), 1, Status.FAILED, "a\x1b[31mb\rc\nd\u202e", "x\x1b]0;y\x07", ["m\r\x07n"])
    assert not [line for line in compose([outcome], WEB) if not line.isprintable()]


def test_long_subjects_are_cut():
    assert len(compose([Outcome(push(), 1, subject="x" * 500, stages=STAGES)], WEB)[0]) < 100
