from farm.definition import Definition
from farm.trial import Trial
from workers.local.summary import summed_up


def test_a_trial_is_told_as_of_the_person_who_started_it_whom_this_machine_may_not_know():
    trial = Trial(
        repository="thyme", url="/x", definition=Definition(), image_repository="thyme", steps=(), who="unknown"
    )
    assert summed_up(trial, {}, commit="", image=None, begun=0.0, released=()).who == "unknown"
