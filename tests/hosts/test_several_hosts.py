"""One farm on several hosts: what any of them can do, and what happens when one is cut off, frozen or gone."""

import contextlib
import sys
import time

import pytest

from farm.logs import Logs
from farm.pipeline import Job, Pipeline, Status
from farm.registry import Registry
from tests.hosts.estate import Estate, answers, estate
from tests.hosts.machines import Machine, until
from tests.hosts.witness import leftovers
from tests.road import Road

pytestmark = pytest.mark.engine
LEASE = 9.0  # s, as a farm has it that nobody has set up otherwise
PROMISED = 15.0  # s within which another host has a step; its first line takes as long as a busy machine needs
HANGS_ONCE = "echo begun-$FARM_ATTEMPT\n[ $FARM_ATTEMPT -gt 1 ] || sleep 300\n"


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    with estate(tmp_path_factory.mktemp("estate"), lease=LEASE) as farm:
        farm.staff("b1", "b2", "b3")
        yield farm


@pytest.fixture(scope="module")
def thyme(farm):
    return farm.repository("thyme")


def finish(farm: Estate, number: int, seconds: float = 60) -> Pipeline:
    until(lambda: farm.record().pipeline(number).status.final, seconds, f"pipeline #{number} ends")
    return farm.record().pipeline(number)


def job(farm: Estate, number: int, name: str = "test") -> Job:
    pipeline = farm.record().pipeline(number)
    return next(job for stage in pipeline.stages for job in stage.jobs if job.name == name)


def log(farm: Estate, number: int, step: str = "test") -> str:
    with contextlib.closing(Logs(farm.redis())) as logs:
        return "".join(logs.text(number, step))


def at_work(farm: Estate, number: int) -> Machine:
    """Wait until the test of a pipeline hangs and return the host that it hangs on."""
    until(lambda: "begun-1" in log(farm, number), 60, "the test begins")
    return farm.builders[str(job(farm, number).worker).partition("@")[2]]


def taken_over(farm: Estate, number: int, victim: Machine, since: float) -> float:
    """Wait until the test runs again elsewhere with the reason shown, then for the end; return how long it took."""
    until(lambda: "begun-2" in log(farm, number), 60, "the test runs again")
    said = time.time() - since
    again = job(farm, number)
    assert again.started is not None
    took = again.started - since
    assert again.worker != farm.worker(victim)
    assert again.status.final or again.reason == f"taken over from {farm.worker(victim)}, which was lost"
    pipeline = finish(farm, number)
    assert pipeline.status is Status.PASSED, pipeline.reason
    assert [job(farm, number, name).attempts for name in ("build", "test", "release")] == [1, 2, 1]
    sys.stdout.write(f"another host had the step after {took:.1f} s, and was heard after {said:.1f} s\n")
    assert took < PROMISED
    return took


def test_a_push_is_released_by_builders_that_only_know_the_network(farm, thyme):
    """Its jobs run on different hosts, for no host has slots for all at once."""
    jobs = "".join(f"    j{number}: test -s /app/note && sleep 3\n" for number in range(5))
    thyme.write(f"test:\n  jobs:\n{jobs}")
    commit = thyme.commit("Begin")
    thyme.push()
    pipeline = finish(farm, thyme.number(commit))
    assert (pipeline.status, pipeline.released) == (Status.PASSED, ("latest",)), pipeline.reason
    assert len({job.worker for stage in pipeline.stages for job in stage.jobs}) > 1


@pytest.mark.long
def test_a_host_that_is_cut_off_is_replaced_and_its_work_is_refused(farm, thyme):
    number = thyme.send(HANGS_ONCE)
    victim = at_work(farm, number)
    since = time.time()
    victim.cut()
    taken_over(farm, number, victim, since)
    assert leftovers(farm, victim), "a host that hears nothing goes on"
    victim.heal()
    until(lambda: not leftovers(farm, victim), 60, "what the host was at is gone")
    assert job(farm, number).attempts == 2


def test_a_host_that_is_frozen_is_replaced_and_its_work_is_refused(farm, thyme):
    number = thyme.send(HANGS_ONCE)
    victim = at_work(farm, number)
    since = time.time()
    victim.freeze()
    taken_over(farm, number, victim, since)
    victim.thaw()
    until(lambda: not leftovers(farm, victim), 60, "what the host was at is gone")
    again = thyme.send("true\n")
    assert finish(farm, again).status is Status.PASSED
    assert job(farm, number).attempts == 2


@pytest.mark.long
def test_a_host_joins_under_load_and_one_is_gone_for_good(farm, thyme):
    number = thyme.send(HANGS_ONCE)
    victim = at_work(farm, number)
    since = time.time()
    del farm.builders[victim.name]
    victim.power_off()
    taken_over(farm, number, victim, since)
    newcomer = farm.builder("b4")
    for other in [one for one in farm.builders.values() if one is not newcomer]:
        other.cut()
    alone = thyme.send("true\n")
    pipeline = finish(farm, alone)
    assert pipeline.status is Status.PASSED
    assert {job.worker for stage in pipeline.stages for job in stage.jobs} == {farm.worker(newcomer)}
    for other in farm.builders.values():
        other.heal()


def test_a_host_is_cut_off_in_the_middle_of_its_release(farm, thyme, request):
    """Its manifest arrives when two others have long released; the dispatcher puts the tag right."""
    road = Road(farm.centre.gateway, (farm.centre.address, 5000))
    request.addfinalizer(road.close)
    detour = f"OUTPUT -p tcp -d {farm.centre.address} --dport 5000 -j DNAT --to {farm.centre.gateway}:{road.port}"
    for machine in farm.builders.values():
        machine.run(["iptables", "-t", "nat", "-I", *detour.split()])
    farm.centre.kill("registry")  # connections that are kept from before would not take the detour
    farm.start_registry()
    older = thyme.send("true\n")
    until(road.stuck.is_set, 60, "a manifest is on its way")
    victim = farm.builders[str(job(farm, older, "release").worker).partition("@")[2]]
    victim.cut()
    newer = thyme.send("true\n")
    assert finish(farm, newer).status is Status.PASSED
    assert finish(farm, older).status in (Status.PASSED, Status.SUPERSEDED)
    with Registry(farm.registry, plain=True) as registry:
        wanted, late = (digest_of(farm, number) for number in (newer, older))
        until(lambda: registry.digest("thyme", "latest") == wanted, 60, "the newer push is released")
        road.loose.set()
        until(lambda: registry.digest("thyme", "latest") == late, 60, "the late manifest arrives")
        since = time.monotonic()
        until(lambda: registry.digest("thyme", "latest") == wanted, 5, "the tag is put right")
    sys.stdout.write(f"the tag was right again after {time.monotonic() - since:.1f} s\n")
    victim.heal()
    until(lambda: not leftovers(farm, victim), 60, "what the host was at is gone")
    assert [one.released for one in map(farm.record().pipeline, (newer,))] == [("latest",)]
    for machine in farm.builders.values():
        machine.run(["iptables", "-t", "nat", "-D", *detour.split()])


def digest_of(farm: Estate, number: int) -> str:
    return str(farm.record().pipeline(number).image).partition("@")[2]


def test_the_dispatcher_that_another_one_replaces(farm, thyme):
    """With the first dead the second reaps, reconciles and opens what is in the ledger; the spool keeps the push."""
    farm.start_dispatcher("second", 8441)
    farm.centre.kill("dispatcher")
    thyme.write("test: 'true'\n")
    commit = thyme.commit("While nobody answers")
    thyme.push()
    assert thyme.spooled()
    assert answers(f"http://{farm.centre.address}:8441/health")
    farm.start_dispatcher()
    farm.centre.kill("second")
    thyme.deliver()
    until(lambda: not thyme.spooled(), 60, "the spool is empty")
    [number] = [one.number for one in farm.record().pipelines(repository="thyme") if one.commit == commit]
    assert finish(farm, number).status is Status.PASSED
