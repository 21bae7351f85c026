"""The engine's JSON from and to the values of workers.engine. Pure: nothing here makes a call."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from workers.engine import ContainerSpec, ContainerState, Exit, Image, Kind, Object, Owner

_LOG = {
    "Type": "local",
    "Config": {"max-size": "10m", "max-file": "1", "compress": "false"},
}  # a container's talk never fills the disk


def creation(spec: ContainerSpec) -> dict[str, Any]:
    """Return the body that creates a container."""
    memory = spec.limits.memory or 0
    body: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{key}={value}" for key, value in spec.env.items()],
        "Labels": spec.owner.labels(),
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": spec.network,
            "Tmpfs": dict.fromkeys(spec.tmpfs, ""),
            "Memory": memory,
            "MemorySwap": memory,  # memory and swap together: no swap
            "NanoCpus": int((spec.limits.cpus or 0) * 1e9),
            "PidsLimit": spec.limits.pids or 0,
            "SecurityOpt": ["no-new-privileges"],
            "CapDrop": ["ALL"],
            "CapAdd": list(spec.capabilities),
            "LogConfig": _LOG,
        },
    }
    if spec.command is not None:
        body["Cmd"] = list(spec.command)
    if spec.entrypoint is not None:
        body["Entrypoint"] = list(spec.entrypoint) or [""]  # one empty string clears the image's
    if spec.directory is not None:
        body["WorkingDir"] = spec.directory
    if spec.aliases:
        body["NetworkingConfig"] = {"EndpointsConfig": {spec.network: {"Aliases": list(spec.aliases)}}}
    return body


def holding(spec: ContainerSpec) -> dict[str, Any]:
    """Return the body for a container of the farm's own program, which needs no fence around it: a fifth faster."""
    body = creation(spec)
    body["HostConfig"] |= {
        "SecurityOpt": ["no-new-privileges", "seccomp=unconfined", "apparmor=unconfined"],
        "IpcMode": "none",
        "MaskedPaths": [],
        "ReadonlyPaths": [],
        "LogConfig": {"Type": "none"},
    }
    return body


def image(found: Mapping[str, Any]) -> Image:
    """Read an inspected image."""
    config = found["Config"] or {}
    return Image(
        id=found["Id"],
        digests=tuple(found["RepoDigests"] or ()),
        labels=config.get("Labels") or {},
        env=dict(pair.partition("=")[::2] for pair in config.get("Env") or ()),
        ports=tuple(sorted(int(port.split("/")[0]) for port in config.get("ExposedPorts") or ())),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        healthcheck=_healthcheck((config.get("Healthcheck") or {}).get("Test") or (), config.get("Shell")),
    )


def _healthcheck(test: Sequence[str], shell: Sequence[str] | None) -> Sequence[str] | None:
    if not test or test[0] == "NONE":
        return None
    if test[0] == "CMD-SHELL":
        return (*(shell or ("/bin/sh", "-c")), *test[1:])
    return tuple(test[1:])


def names(item: Mapping[str, Any], repository: str) -> Sequence[str]:
    """Return the names that a listed image has in a repository: its tags, without one its digests."""
    tags = [name for name in item["RepoTags"] or () if name.startswith(f"{repository}:")]
    return tags or [name for name in item["RepoDigests"] or () if name.startswith(f"{repository}@")]


def made(item: Mapping[str, Any]) -> float:
    """Return when a listed image was made, by its label: the engine tells the age of its layers alone."""
    try:
        return datetime.fromisoformat(item["Labels"]["org.opencontainers.image.created"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return float(item["Created"])


def repositories(item: Mapping[str, Any], registry: str) -> Sequence[str]:
    """Return the repositories of a registry in which a listed image has a name."""
    names = (*(item["RepoTags"] or ()), *(item["RepoDigests"] or ()))
    return [re.split(r"@|:(?=[^/]*$)", name)[0] for name in names if name.startswith(f"{registry}/")]


def state(found: Mapping[str, Any]) -> ContainerState:
    """Read an inspected container."""
    now = found["State"]
    over = now["Status"] in ("exited", "dead")
    addresses = (network["IPAddress"] for network in found["NetworkSettings"]["Networks"].values())
    return ContainerState(
        exit=Exit(now["ExitCode"], oom=now["OOMKilled"]) if over else None,
        address=next(filter(None, addresses), None),
    )


def container(item: Mapping[str, Any]) -> Object | None:
    """Read a listed container; None if no farm made it."""
    name = (item["Names"] or [""])[0].removeprefix("/")
    return _object("container", item["Id"], name, item["Labels"], float(item["Created"]))


def network(item: Mapping[str, Any]) -> Object | None:
    """Read a listed network; None if no farm made it."""
    return _object("network", item["Id"], item["Name"], item["Labels"], _seconds(item["Created"]))


def _object(kind: Kind, id_: str, name: str, labels: Mapping[str, str] | None, created: float) -> Object | None:
    owner = Owner.of(name, labels or {})
    return Object(kind, id_, name, owner, created) if owner else None


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(re.sub(r"\.\d+", "", text))  # nanoseconds are more than it takes
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
