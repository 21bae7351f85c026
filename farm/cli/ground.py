"""Checks of `farm doctor` on the machine itself: engine, disk, hooks, the way to git. They change nothing."""

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from farm import git
from farm.cli import installing
from farm.cli.bare import Bare
from farm.cli.finding import Finding
from farm.errors import FarmError
from farm.home import LOCAL, state_file
from farm.membership import invitation_file, membership_file
from farm.record import Repository
from farm.settings import Settings
from farm.sizes import size

_GIT = 8.0  # seconds for one repository


def settings(loaded: Settings) -> Iterator[Finding]:
    """Say what is careless in the settings, such as a secret that stands in a file for many eyes."""
    advice = loaded.advice()
    for words in advice:
        what, _, mend = words.rpartition("; ")
        yield Finding.warning("settings", what, mend)
    if not advice:
        yield Finding.ok("settings", f"{loaded.home / 'farm.yml'} and the environment are valid")


def exposed(home: Path) -> Iterator[Finding]:
    """Name the files with the farm's passwords that other users of this machine may open, and an open FARM_HOME."""
    for path in (state_file(home), invitation_file(home), membership_file(home), home / "redis.conf"):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding.warning("passwords", f"{path} is open to other users", f"chmod 600 {path}")
    if home.exists() and stat.S_IMODE(home.stat().st_mode) & stat.S_IRWXO:
        words = f"{home} is open to other users, with the files of repositories that are fetched into it"
        yield Finding.warning("home", words, f"chmod 700 {home}")


def engine(settings: Settings) -> Iterator[Finding]:
    """Ask the Docker Engine, by way of the hands: what it is, what builds there, whether it trusts the registry."""
    done = subprocess.run(
        [sys.executable, "-m", "workers.checkup", settings.registry], capture_output=True, text=True, check=False
    )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = {"error": done.stderr.strip().rpartition("\n")[2] or "the check of the engine ended without a word"}
    if "error" in found:
        mend = "systemctl start docker; or install it: apt-get install docker.io; or set DOCKER_HOST"
        yield Finding.error("engine", found["error"], mend)
        return
    about = f"Docker Engine {found['version']}, {found['builder']}, {found['architecture']}"
    if found["classic"]:
        yield Finding.warning("engine", f"{about}: without BuildKit", "install Docker Engine 18.09 or newer")
    else:
        yield Finding.ok("engine", about)
    if found["registry"]:
        yield Finding.error(
            "trust", f"the engine does not get through: {found['registry']}", _trust(settings, found["registry"])
        )
    else:
        yield Finding.ok("trust", f"the engine reaches the registry {settings.registry}")
    yield from disk("engine's disk", Path(found["folder"]), settings.disk_min)


def _trust(settings: Settings, words: str) -> str:
    if "HTTP response to HTTPS client" in words:
        snippet = json.dumps({"insecure-registries": [settings.registry]})
        return f"put {snippet} into /etc/docker/daemon.json, then run `systemctl reload docker`"
    if "x509" in words:
        return f"give the engine the registry's certificate: /etc/docker/certs.d/{settings.registry}/ca.crt"
    return f"start the registry, and open {settings.registry} to this machine"


def disk(name: str, folder: Path, least: int) -> Iterator[Finding]:
    """Say how much is free where a folder is; nothing about a folder that is not on this machine."""
    if not folder.exists():
        return
    free = shutil.disk_usage(folder).free
    words = f"{size(free)} free at {folder}"
    mend = "free some space: `docker system df` and `docker image prune`, `farm gc`; or give it a larger disk"
    if free < least:
        yield Finding.error(name, f"{words}, less than `disk_min`: no work is taken", mend)
    elif free < 2 * least:
        yield Finding.warning(name, words, mend)
    else:
        yield Finding.ok(name, words)


def access(repositories: Sequence[Repository], settings: Settings) -> Iterator[Finding]:
    """Ask each repository for its refs, as workers do before they fetch."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(partial(_asked, settings), repositories))
    for repository, trouble in zip(repositories, answers, strict=True):
        shown = git.shown(repository.url)
        if trouble:
            mend = f"let this machine read it (`git` in its farm.yml, ssh key); try: git ls-remote {shown}"
            yield Finding.error(f"git {repository.name}", f"{shown} cannot be read here: {trouble}", mend)
        else:
            yield Finding.ok(f"git {repository.name}", f"{shown} can be read")


def _asked(settings: Settings, repository: Repository) -> str | None:
    try:
        git.ls_remote(repository.url, timeout=_GIT, login=git.login(settings.repository(repository.name).git))
    except FarmError as error:
        return str(error)
    return None


def hooks(named: Sequence[Path], repositories: Sequence[Repository]) -> Iterator[Finding]:
    """Look at the bare repositories that are named, and at those that are registered by a path of this machine."""
    paths = filter(None, (git.local(repository.url) for repository in repositories))
    given = {path.resolve() for path in named}
    for path in [*named, *(path for path in paths if path.is_dir() and path.resolve() not in given)]:
        yield from _hook(path)


def _hook(path: Path) -> Iterator[Finding]:
    name = f"hook {path.name}"
    try:
        bare = Bare.find(path)
        mistakes, remark = installing.mistakes(bare), bare.remark()
        waiting, refused = len(bare.spooled()), len(bare.refused())
    except FarmError as error:
        yield Finding.error(name, str(error), f"farm hook install {path}")
        return
    for mistake in mistakes:
        words, _, mend = mistake.rpartition("; run: ")
        yield Finding.error(name, words or mistake, mend if words else f"farm hook install {path}")
    if remark:
        words, _, mend = remark.rpartition("; run: ")
        yield Finding.warning(name, words, mend)
    if refused:
        yield Finding.warning(name, f"{refused} pushes were refused by the farm", f"farm hook status {path}")
    if waiting:
        yield Finding.warning(name, f"{waiting} pushes wait in {bare.spool}", f"{bare.hook} --deliver")
    if not (mistakes or remark or refused or waiting):
        yield Finding.ok(name, "reports every push; push options are on")


def shared(settings: Settings, repositories: Sequence[Repository]) -> Iterator[Finding]:
    """Warn of repositories that only this machine can clone, where the farm is open to others."""
    if LOCAL in settings.registry:
        return
    by_path = [repository.name for repository in repositories if git.local(repository.url)]
    if by_path:
        yield Finding.warning(
            "clone URLs",
            f"{', '.join(by_path)}: registered by a path, which build machines may not have",
            "farm hook install REPO.git --move --url ssh://HOST/PATH",
        )
