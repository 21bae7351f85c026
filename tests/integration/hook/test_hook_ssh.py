"""A push over ssh, through a private sshd: the same lines, the same limits, and nothing that holds the connection."""

import getpass
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SILENT = "warning: the farm does not answer; the push is safe, its pipeline will start by itself"


@pytest.fixture
def sshd(git, tmp_path, need, ports, poll):
    """A private sshd that lets this user in with a key of the test's; `git` then pushes through it."""
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin") or need("sshd")
    for name in ("host", "user"):
        subprocess.run([need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    (port,) = ports(1)
    config = tmp_path / "sshd_config"
    config.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n"
    )
    empty = Path("/run/sshd")  # sshd started by root locks itself in there; a package's service would make it
    made = os.geteuid() == 0 and not empty.exists()
    if made:
        empty.mkdir(mode=0o755)
    with (tmp_path / "sshd.log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", config], stderr=log)
    client = "ssh -F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    git.env["GIT_SSH_COMMAND"] = f"{client} -i {tmp_path}/user"
    git("remote", "set-url", "origin", f"ssh://{getpass.getuser()}@127.0.0.1:{port}{git.bare}")
    poll(lambda: "Server listening" in (tmp_path / "sshd.log").read_text(), what="sshd to listen")
    yield process
    process.kill()
    process.wait()
    if made:
        empty.rmdir()


@pytest.mark.usefixtures("sshd")
def test_over_ssh(git, door):
    door.lines = ["success: pipeline #218 queued"]
    git.commit()
    plain = git.push("HEAD:main")
    assert (plain.code, "remote: success: pipeline #218 queued" in plain.output) == (0, True), plain.output
    door.documents = lambda _: {"number": 218, "status": "passed", "created": 1.0, "finished": 9.0, "stages": []}
    git.commit()
    assert "success: pipeline #218 passed after 8 s" in git.push("-o", "farm.watch", "HEAD:main").output
    door.mood = "hang"
    git.commit()
    hung = git.push("HEAD:main")
    assert hung.code == 0
    assert SILENT in hung.output
    assert hung.seconds < plain.seconds + 2
