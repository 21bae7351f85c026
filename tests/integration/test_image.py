"""The image of the farm itself is built and speaks, as a user without rights."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TAG = "farm-test/itself:local"


@pytest.mark.engine
@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_image_is_built_and_knows_its_commands_and_configuration(standins, engine):  # noqa: ARG001 - bases
    from workers.docker.buildkit import command  # noqa: PLC0415 - which program builds with BuildKit here

    assert command()
    build = [command(), "build", "-q", "-f", "deploy/Dockerfile", "-t", TAG, "."]
    subprocess.run(build, cwd=ROOT, check=True, env={"DOCKER_BUILDKIT": "1", "PATH": "/usr/bin:/bin"})
    try:
        said = engine.containers.run(TAG, "--version", remove=True).decode()
        assert said.startswith("farm ")
        script = "id -u; test -w . && ls /opt/farm/config; test -x /usr/bin/python3; command -v git"
        seen = engine.containers.run(TAG, ["-ec", script], entrypoint="sh", remove=True).decode().split()
        assert seen[0] == "10001"
        assert {"flowerconfig.py", "farm.yml", "/usr/bin/git"} <= set(seen)
    finally:
        engine.images.remove(TAG, force=True)
