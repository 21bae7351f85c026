"""What a worker says of its machine."""

import os
import shutil

from workers.machine import measure


def test_this_machine(tmp_path):
    (tmp_path / "below").mkdir()
    machine = measure([tmp_path, tmp_path / "below", tmp_path / "missing"])
    assert machine.cores == os.cpu_count()
    assert 0 <= machine.load < 1000
    assert 0 < machine.memory_free <= machine.memory_size
    (disk,) = machine.disks
    assert (disk.place, disk.size) == (str(tmp_path), shutil.disk_usage(tmp_path).total)
    assert 0 < disk.free <= disk.size
