#!/usr/bin/env python3
"""Base images for machines that cannot reach Docker Hub, made once from the distribution's packages, labelled as such.

`deploy/standins.py [NAME...]` makes what cannot be pulled, `deploy/standins.py --remove` takes all stand-ins away.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

from machine import STANDINS, Trouble, install, output, quiet, say

if TYPE_CHECKING:
    from collections.abc import Sequence

LABEL = "farm.standin"
IMAGES = {"python:3.12-slim": "python", "postgres:16": "postgres"}

_BASE = "farm-standin/base:latest"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def ensure(names: Sequence[str] = tuple(IMAGES)) -> None:
    """See to it that the engine has these images: the real ones where they can be pulled, stand-ins otherwise."""
    wanted = [name for name in names if not _present(name) and not _pulled(name)]
    if standing := [name for name in names if _stands_in(name)]:
        say(f"{' and '.join(standing)}: stand-ins made here from Debian packages, not the images of Docker Hub")
    if not wanted:
        return
    say(f"{' and '.join(wanted)} cannot be pulled here: making stand-ins from Debian packages, once, in about a minute")
    if not _present(_BASE):
        _make_base()
    makers = [_make(name) for name in wanted]
    for name, maker in zip(wanted, makers, strict=True):
        words, _ = maker.communicate()
        if maker.returncode:
            end = "\n".join(words.splitlines()[-12:])
            raise Trouble(f"the stand-in for {name} could not be made:\n{end}")


def remove() -> int:
    """Remove every stand-in and what they are made from, by label and name; return how many went.

    The label alone would not do: whatever is built from a stand-in inherits it.
    """
    gone = 0
    for name in (*IMAGES, _BASE):
        if _stands_in(name):
            gone += not subprocess.run(["docker", "rmi", name], capture_output=True, check=False).returncode
    return gone


def _make_base() -> None:
    if os.geteuid() != 0:
        raise Trouble(
            "only root can make the base of the stand-ins (debootstrap): run `sudo deploy/standins.py`, then this again"
        )
    install(STANDINS)
    suite = _suite()
    with tempfile.TemporaryDirectory(prefix="farm-standin-") as folder:
        root = Path(folder) / "root"
        quiet(["debootstrap", "--variant=minbase", suite, str(root)])
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        label = f"LABEL {LABEL}=base.{suite}"
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packed:
            subprocess.run(
                ["docker", "import", "--change", label, "-", _BASE],
                stdin=packed.stdout,
                check=True,
                capture_output=True,
            )
        if packed.returncode:
            raise Trouble("the base of the stand-ins could not be packed; see that the disk is not full")


def _make(name: str) -> subprocess.Popen[str]:
    folder = Path(__file__).resolve().parent / "images" / IMAGES[name]
    with tempfile.TemporaryDirectory(prefix="farm-standin-") as context:
        shutil.copytree(folder, context, dirs_exist_ok=True)
        if _CERTIFICATES.exists():
            shutil.copy(_CERTIFICATES, context)
        else:
            (Path(context) / _CERTIFICATES.name).touch()
        with tempfile.TemporaryFile() as packed:
            subprocess.run(["tar", "-C", context, "-c", "."], stdout=packed, check=True)
            packed.seek(0)
            return subprocess.Popen(
                [
                    "docker",
                    "build",
                    "-q",
                    "--build-arg",
                    f"BASE={_BASE}",
                    "--label",
                    f"{LABEL}={name}",
                    "-t",
                    name,
                    "-",
                ],
                stdin=packed,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )


def _stands_in(name: str) -> bool:
    query = ["docker", "images", "-q", "--filter", f"label={LABEL}", "--filter", f"reference={name}"]
    return bool(output(query).strip())


def _present(name: str) -> bool:
    return not subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode


def _pulled(name: str) -> bool:
    say(f"pulling {name}")
    try:
        return not subprocess.run(
            ["docker", "pull", "-q", name], capture_output=True, check=False, timeout=600
        ).returncode
    except subprocess.TimeoutExpired:
        return False


def _suite() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return "stable"


def main() -> int:
    """Be the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--remove", action="store_true", help="remove all stand-ins")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(IMAGES)}; all by default")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(IMAGES):
        parser.error(f"there is no stand-in for {', '.join(sorted(unknown))}")
    try:
        if chosen.remove:
            say(f"removed {remove()} stand-ins")
        else:
            ensure(chosen.names or tuple(IMAGES))
    except Trouble as trouble:
        print(f"standins: {trouble}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
