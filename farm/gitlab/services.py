"""Services of a GitLab job as those of the farm: host names, variables, readiness. It starts nothing."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from farm.definition.names import is_image
from farm.gitlab.merged import flat, lines
from farm.gitlab.notes import Notes
from farm.gitlab.source import List, Map
from farm.gitlab.words import expand

# The variables that an image reads begin so; of an image that is not here, GitLab's way: it gets all.
_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "postgres": ("POSTGRES_", "PGDATA"),
    "postgis": ("POSTGRES_", "PGDATA"),
    "mysql": ("MYSQL_",),
    "mariadb": ("MARIADB_", "MYSQL_"),
    "mongo": ("MONGO_",),
    "redis": ("REDIS_",),
    "memcached": ("MEMCACHED_",),
    "rabbitmq": ("RABBITMQ_",),
    "minio": ("MINIO_",),
    "nginx": ("NGINX_",),
}
# GitLab waits for the first port of an image; these are theirs.
_PORTS: Mapping[str, int] = {
    "postgres": 5432,
    "postgis": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "mongo": 27017,
    "redis": 6379,
    "memcached": 11211,
    "rabbitmq": 5672,
    "elasticsearch": 9200,
    "minio": 9000,
    "nginx": 80,
}


def services(job: Map, about: str, env: Mapping[str, str], notes: Notes) -> dict[str, Any]:
    """Take the services out of a job and return them by host name."""
    found: dict[str, Any] = {}
    at = job.lines.get("services", job.line)
    for item in flat(job.pop("services", None)):
        line = lines(item, at)
        said = item if isinstance(item, Map) else Map(line)
        image = expand(str(said.get("name") or "") if isinstance(item, Map) else str(item), env)
        short = image.rpartition("@")[0] or image
        name = re.sub(r":[^/:]*$", "", short)
        kind = name.rsplit("/", 1)[-1]
        if kind == "docker" or "dind" in image:
            notes.add(line, about, "docker:dind is left out: the farm builds by itself, and a job reaches no engine")
            continue
        if not is_image(image):
            notes.add(line, about, f"the service {image or '?'} is no image that can be named here; left out")
            continue
        for key in sorted(set(said) - {"name", "alias", "command", "variables", "pull_policy", "entrypoint"}):
            notes.add(said.lines[key], about, f"{key} of the service {kind} has no counterpart; left out")
        for key in ("pull_policy", "entrypoint"):
            if key in said:
                notes.add(said.lines[key], about, f"{key} of the service {kind} is left out; the image's own counts")
        hosts = re.split(r"[,\s]+", str(said.get("alias") or name.replace("/", "-")).strip())
        host = re.sub(r"[^a-z0-9-]+", "-", hosts[0].lower()).strip("-") or f"service-{len(found) + 1}"
        if host != hosts[0] or len(hosts) > 1:
            notes.add(line, about, f"the service {kind} has one host name here: {host}")
        found[host] = _service(image, kind, said, env)
        if kind not in _PORTS:
            notes.add(line, about, f"the service {kind} counts as ready when it runs; `ready` can say more")
    return found


def _service(image: str, kind: str, said: Map, env: Mapping[str, str]) -> Any:
    own = said.get("variables")
    variables = {key: expand(str(value or ""), env) for key, value in own.items()} if isinstance(own, Map) else {}
    prefixes = _PREFIXES.get(kind)
    given = {name: value for name, value in env.items() if prefixes is None or name.startswith(prefixes)} | variables
    command = said.get("command")
    made: dict[str, Any] = {"image": image}
    if given:
        made["env"] = given
    if isinstance(command, List):
        made["command"] = shlex.join(str(word) for word in flat(command))
    elif command:
        made["command"] = str(command)
    if kind in _PORTS:
        made["ready"] = {"port": _PORTS[kind]}
    return image if list(made) == ["image"] else made
