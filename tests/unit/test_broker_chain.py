from farm.broker import title, unforked
from farm.pipeline import Step

BUILD = Step("build", "build", queue="build")
TEST = Step("test", "test", ("build",), "test")
RELEASE = Step("release", "release", ("test",), "release")


def test_one_job_is_one_chain():
    assert unforked((BUILD, TEST, RELEASE)) == (BUILD, TEST, RELEASE)


def test_the_chain_ends_where_several_steps_wait_for_the_same_one():
    jobs = (Step("test/a", "test", ("build",)), Step("test/b", "test", ("build",)))
    assert unforked((BUILD, *jobs, Step("release", "release", ("test/a", "test/b")))) == (BUILD,)


def test_a_chain_may_begin_in_the_middle():
    assert unforked((TEST, RELEASE)) == (TEST, RELEASE)


def test_nothing_makes_no_chain():
    assert unforked(()) == ()


def test_the_title_is_short():
    assert title("thyme", "refs/heads/feature/x", "3f9c2e1" + "0" * 33) == "thyme feature/x 3f9c2e1"
    assert title("thyme", "refs/tags/v1", "3f9c2e1" + "0" * 33) == "thyme v1 3f9c2e1"
    assert title("thyme", "refs/pull/7/head", "3f9c2e1" + "0" * 33) == "thyme pull request 7 3f9c2e1"
