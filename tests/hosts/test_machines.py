"""The machines that the other tests here stand on are separate: network, processes, engine, life and death."""

import subprocess

import pytest

from tests.hosts import engines
from tests.hosts.machines import network, until


@pytest.mark.engine
def test_a_machine_is_cut_off_frozen_and_powered_off_alone(tmp_path):
    with network(tmp_path) as net:
        one, two = net.machine("m1"), net.machine("m2")
        assert one.run(["hostname"]) == "m1\n"
        assert "1 packets received" in one.run(["busybox", "ping", "-c1", "-W2", two.address])
        one.cut()
        with pytest.raises(subprocess.CalledProcessError):
            two.run(["busybox", "ping", "-c1", "-W1", one.address])
        one.heal()
        until(lambda: "1 packets received" in two.run(["busybox", "ping", "-c1", "-W5", one.address]), 60, "m1 is back")

        counter = one.folder / "counter.log"
        one.start("counter", ["sh", "-c", "while :; do date +%s.%N; sleep 0.02; done"])
        until(lambda: counter.stat().st_size > 0, 60, "the counter counts")
        one.freeze()
        frozen = counter.stat().st_size
        assert "1 packets received" in two.run(
            ["busybox", "ping", "-c1", "-W2", one.address]
        )  # a frozen machine's kernel is this one
        assert counter.stat().st_size == frozen
        one.thaw()
        until(lambda: counter.stat().st_size > frozen, 60, "the counter goes on")

        engines.start(one)
        engines.start(two)
        assert engines.docker(one, "ps", "-q") == engines.docker(two, "ps", "-q") == ""
        one.power_off()
        assert not engines.answers(one)
        assert engines.answers(two)
        assert str(one.folder) not in subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout
    assert net.switch not in subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
