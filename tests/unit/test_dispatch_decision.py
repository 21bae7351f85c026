import pytest
from hypothesis import given, strategies as st

from farm.decision import Close, Plan, decide, image_name, unseen
from farm.git import Commit
from farm.pipeline import Status
from farm.push import ZERO, Push

COMMIT = "3f9c2e1" + "0" * 33
TESTED = b"test: make check\n"


def push(ref="refs/heads/main", new=COMMIT, options=()):
    return Push("u1", "thyme", ref, "1" * 40, new, "ada", options)


def decided(text=TESTED, *, ref="refs/heads/main", protected=True, message="Fix VAT\n\nbody"):
    subject = message.split("\n")[0]
    commit = Commit(COMMIT, subject, "Ada", "ada@example.org", message, 0.0)
    return decide(push(ref), 218, commit, text, protected=protected, date="2026-11-24")


def names(plan):
    assert isinstance(plan, Plan)
    return [step.name for step in plan.steps]


def test_build_test_release():
    plan = decided()
    assert names(plan) == ["build", "test", "release"]
    assert [tuple(step.needs) for step in plan.steps] == [(), ("build",), ("test",)]
    assert [step.queue for step in plan.steps] == ["build", "test", "release"]
    assert plan.definition.release.tags == ("latest",)
    assert plan.image == "thyme"
    assert plan.remark is None


def test_without_the_file_only_the_image_is_built():
    plan = decided(None)
    assert names(plan) == ["build"]
    assert plan.remark == "no .farm.yml: nothing was tested, so nothing is released"


def test_without_a_test_nothing_is_released():
    plan = decided(b"build: {dockerfile: Dockerfile.prod}\n")
    assert names(plan) == ["build"]
    assert "nothing was tested" in plan.remark


def test_untested_on_purpose_is_released():
    assert names(decided(b"test: none\n")) == ["build", "release"]


def test_a_ref_that_is_not_protected_releases_nothing():
    plan = decided(ref="refs/heads/feature/x", protected=False)
    assert names(plan) == ["build", "test"]
    assert plan.definition.release.tags == ()
    assert plan.remark == "feature/x does not release"


def test_the_definition_narrows_what_the_server_protects():
    text = TESTED + b"release: {branches: [stable]}\n"
    assert names(decided(text)) == ["build", "test"]
    assert names(decided(text, ref="refs/heads/stable")) == ["build", "test", "release"]
    assert names(decided(text, ref="refs/heads/stable", protected=False)) == ["build", "test"]


def test_tags_are_filled_in():
    text = TESTED + b'release: {tags: [latest, "{branch}-{short_sha}", "{number}"]}\n'
    assert decided(text).definition.release.tags == ("latest", "main-3f9c2e100000", "218")


def test_tags_of_the_build_are_filled_in_on_any_ref():
    text = b'test: make\nbuild: {tags: ["dev-{branch}", "ci-{number}", "rc-{tag}"]}\n'
    plan = decided(text, ref="refs/heads/feature/x", protected=False)
    assert plan.definition.build.tags == ("dev-feature-x", "ci-218")
    assert decided(text, ref="refs/tags/v1").definition.build.tags == ("rc-v1",)


def test_a_git_tag_never_moves_latest():
    assert names(decided(ref="refs/tags/v1.0")) == ["build", "test"]
    text = TESTED + b'release: {tags: [latest, "{tag}"]}\n'
    assert decided(text, ref="refs/tags/v1.0").definition.release.tags == ("v1.0",)


def test_the_image_may_have_a_name_of_its_own():
    assert decided(b"image: team/web\n" + TESTED).image == "team/web"


def test_every_mistake_with_its_place():
    close = decided(b"test:\n  scirpt: make\nbiuld: {}\n")
    assert isinstance(close, Close)
    assert (close.status, close.reason) == (Status.FAILED, "definition")
    assert len(close.messages) >= 2
    assert all(message.startswith(".farm.yml:") for message in close.messages)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a: [", b"\x00", b"- 1\n", b"&a [*a, *a]"])
def test_broken_files_are_mistakes(text):
    close = decided(text)
    assert isinstance(close, Close)
    assert close.status is Status.FAILED
    assert close.messages


@pytest.mark.parametrize("message", ["Docs [ci skip]", "[skip ci] docs", "Docs\n\nbody [CI SKIP]"])
def test_the_marker_in_the_message(message):
    close = decided(message=message)
    assert isinstance(close, Close)
    assert close.status is Status.SKIPPED
    assert "skip" in close.reason.lower()


def test_what_needs_no_look():
    assert unseen(push()) is None
    assert unseen(push(options=("farm.skip",))) == Close(Status.SKIPPED, "git push -o farm.skip")
    assert unseen(push(new=ZERO)) == Close(Status.SKIPPED, "the branch was deleted")
    assert unseen(push("refs/tags/v1", ZERO)) == Close(Status.SKIPPED, "the tag was deleted")
    assert unseen(push("refs/notes/commits")) == Close(
        Status.SKIPPED, "refs/notes/commits is neither a branch nor a tag"
    )


@pytest.mark.parametrize(
    ("repository", "name"),
    [("thyme", "thyme"), ("Team/My App.git", "team/my-app-git"), ("-_-", "image"), ("Käse", "k-se"), ("a//b", "a/b")],
)
def test_image_names(repository, name):
    assert image_name(repository) == name


@given(st.text(max_size=50))
def test_image_names_are_what_a_registry_takes(repository):
    for part in image_name(repository).split("/"):
        assert part
        assert part.strip("abcdefghijklmnopqrstuvwxyz0123456789-") == ""
        assert part[0] != "-" != part[-1]
