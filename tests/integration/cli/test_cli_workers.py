"""`farm workers`, `farm workers drain`, `farm queues` against the real API over a real record."""

import re

import pytest

from farm.record import Disk, Machine, WorkerInfo

pytestmark = pytest.mark.redis
QUEUES = ("build", "test", "release")


@pytest.fixture
def two(farm):
    disks = (Disk("/var/lib/docker", 5 << 30, 20 << 30), Disk("/var/lib/farm", 900 << 20, 9 << 30))
    machine = Machine(0.52, 4, 3 << 30, 8 << 30, disks)
    farm.record.beat(WorkerInfo("w1@c1", "c1", 4, ("arm64", "gpu"), QUEUES, ("#1 build",), machine=machine))
    farm.record.beat(WorkerInfo("w1@c2", "c2", 2, (), QUEUES, closed="has no Docker Engine that answers"))
    farm.record.beat(WorkerInfo("w2@c2", "c2", 2, (), ("test",)))


def test_there_may_be_none(cli):
    assert (cli("workers").code, cli("workers").out) == (0, "")
    assert "farm worker" in cli("workers").err
    assert cli("workers", "--json").document == []
    assert "no queue yet" in cli("queues").err


@pytest.mark.usefixtures("two")
def test_workers_are_listed(cli):
    lines = cli("workers").out.splitlines()
    pattern = r"w1@c1  1 of 4 busy  arm64,gpu  load 0\.5 of 4, 900 MiB free  heard \d.* ago  #1 build"
    assert re.fullmatch(pattern, lines[0])
    assert lines[1].endswith("has no Docker Engine that answers")
    first, second, third = cli("workers", "--json").document
    assert (first["name"], first["busy"], first["closed"], first["drained"]) == ("w1@c1", ["#1 build"], None, False)
    assert second["closed"] == "has no Docker Engine that answers"
    assert third["queues"] == ["test"]
    assert first["machine"]["disks"][0] == {"place": "/var/lib/docker", "free": 5 << 30, "size": 20 << 30}
    assert second["machine"] is None


@pytest.mark.usefixtures("two")
def test_a_worker_is_drained_and_taken_back(cli, farm):
    ran = cli("workers", "drain", "w1@c1")
    assert ran.code == 0
    assert ran.out.startswith("farm: w1@c1 is drained by ")
    assert ran.out.endswith("; it still finishes #1 build\n")
    assert [worker.drained for worker in farm.record.workers()] == [True, False, False]
    assert cli("workers", "drain", "w1@c1", "--json").document[0]["drained"] is True
    assert cli("workers", "drain", "w1@c1", "--undo").out == "farm: w1@c1 takes work\n"
    assert not any(worker.drained for worker in farm.record.workers())


@pytest.mark.usefixtures("two")
def test_a_whole_host_is_drained(cli, farm):
    assert len(cli("workers", "drain", "c2").out.splitlines()) == 2
    assert [worker.name for worker in farm.record.workers() if worker.drained] == ["w1@c2", "w2@c2"]


@pytest.mark.usefixtures("two")
def test_the_name_that_a_worker_was_given_is_enough_where_it_is_the_only_one(cli, farm):
    assert cli("workers", "drain", "w2").out.startswith("farm: w2@c2 is drained by ")
    assert [worker.name for worker in farm.record.workers() if worker.drained] == ["w2@c2"]
    ran = cli("workers", "drain", "w1")
    assert (ran.code, ran.err) == (2, "error: w1@c1 and w1@c2 have that name; say which\n")


def test_an_unknown_worker_is_refused(cli):
    ran = cli("workers", "drain", "w9")
    assert (ran.code, ran.err) == (2, "error: there is no worker w9; `farm workers` shows those that there are\n")


@pytest.mark.usefixtures("two")
def test_queues_are_listed(cli, farm):
    farm.open()
    farm.record.drain("w2@c2", "ada")
    lines = cli("queues").out.splitlines()
    assert re.match(r"build    1 waiting for \d.* s  0 running", lines[0])
    assert lines[0].endswith("w1@c1")
    assert [queue["consumers"] for queue in cli("queues", "--json").document] == [["w1@c1"]] * 3
    farm.record.drain("w1@c1", "ada")
    why = "w1@c1 is drained by ada; w1@c2 has no Docker Engine that answers"
    lines = cli("queues").out.splitlines()
    assert lines[0].endswith(f"  no worker that serves `build` takes work: {why}")
    assert lines[2].endswith(f"  no worker that serves `test` takes work: {why}; w2@c2 is drained by ada")


def test_a_queue_that_no_worker_serves_says_so(cli, farm):
    farm.open()
    assert cli("queues").out.splitlines()[0].endswith("  no worker serves `build`")


def test_only_the_farms_own_token_may(cli, farm):
    cli.more["FARM_TOKEN"] = "another"
    assert [cli(*words).code for words in (("workers",), ("queues",), ("workers", "drain", "w1@c1"))] == [2, 2, 2]
    assert farm.record.workers() == []
