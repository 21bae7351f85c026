"""Keys that other systems have and a definition has not, and where it says the same. It decides nothing."""

from collections.abc import Mapping

_WHEN = "when of a job says which pushes call for it"
_SERVER = "that is said in the server's farm.yml"

ELSEWHERE: Mapping[str, str] = {
    "after_script": "let the script set a trap: trap 'commands' EXIT",
    "before_script": "let the script begin with it",
    "cache": "layers of the build are cached by themselves; see build.cache",
    "clone": "source says what is fetched beside the files",
    "cron": _SERVER,
    "deploy": "release.after is done once an image is released",
    "email": _SERVER,
    "environment": "env is for the variables of a job; release.after deploys",
    "except": _WHEN,
    "only": _WHEN,
    "pipeline": "build, test and release are the keys; commands of its steps are jobs of test",
    "ports": "each port of a service is reached under its name",
    "rules": _WHEN,
    "schedule": _SERVER,
    "schedules": _SERVER,
    "stage": "needs of a job says what it waits for",
    "stages": "build, test and release are the stages; needs of a job says what it waits for",
    "steps": "build, test and release are the keys; commands of the steps are jobs of test",
    "tags": "runs_on names the labels of a worker",
    "variables": "env has them, of a job or beside jobs for all",
    "volumes": "a container writes into itself; tmpfs of a service is kept in memory",
    "workflow": "on says which pushes run",
}
