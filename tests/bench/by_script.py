"""The same as a shell script in post-receive, as people write it: the docker program, one line after the other.

It is written well: BuildKit from git's archive, the test in the image that was built, a service asked every 100 ms.
"""

from pathlib import Path

from workers.docker.buildkit import command

_HEAD = """#!/bin/sh
set -e
unset GIT_DIR
export DOCKER_BUILDKIT=1
while read -r old new ref; do
  git archive "$new" | {docker} build -q -t {image}:build - >/dev/null
  {docker} push -q {image}:build >/dev/null
"""
_PLAIN = """  {docker} run --rm {image}:build sh -ec '{script}'
"""
_SERVICE = """  id=$({docker} network create script-$$)
  trap '{docker} rm -f -v db-$$ >/dev/null; {docker} network rm script-$$ >/dev/null' EXIT
  {docker} run -d --name db-$$ --network script-$$ --network-alias db {service} httpd -f -p 8080 >/dev/null
  until {docker} exec db-$$ wget -q -O /dev/null http://127.0.0.1:8080/note; do sleep 0.1; done
  {docker} run --rm --network script-$$ {image}:build sh -ec '{script}'
"""
_TAIL = """  {docker} tag {image}:build {image}:latest
  {docker} push -q {image}:latest >/dev/null
done
"""


def install(bare: Path, image: str, script: str, service: str | None) -> None:
    """Put the script into a bare repository."""
    text = _HEAD + (_SERVICE if service else _PLAIN) + _TAIL
    hook = bare / "hooks" / "post-receive"
    hook.write_text(text.format(docker=command(), image=image, script=script, service=service))
    hook.chmod(0o755)
