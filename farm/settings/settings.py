"""The settings of this process, put together once at the door. They say where the parts are, not whether they run."""

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import ByteSize, Field, ValidationError

from farm.errors import Refused
from farm.home import default_home, read_state
from farm.membership import read_membership
from farm.settings.files import config_file
from farm.settings.repositories import RepositorySettings
from farm.settings.secret import Secret, advice
from farm.settings.slack import SlackSettings
from farm.settings.values import Values

_PREFIX = "FARM_"


class Settings(Values):
    """All settings; bytes are plain integers, times are seconds."""

    home: Path
    farm_id: str = Field(default="", pattern=r"^([0-9a-f]{12})?$")
    redis_url: str = Field(default="redis://127.0.0.1:6379/0", repr=False)
    registry: str = "127.0.0.1:5000"
    registry_plain: bool = False
    url: str = "http://127.0.0.1:8440"
    web_url: str = "http://127.0.0.1:5555"
    token: str = Field(default="", repr=False)
    cookie_secret: str = Field(default="", repr=False)
    worker_name: str = Field(default_factory=lambda: f"w1@{socket.gethostname()}")
    slots: int = Field(default_factory=lambda: 2 * (os.cpu_count() or 1), ge=1)
    labels: tuple[str, ...] = Field(default=(), max_length=4)
    lease: float = Field(default=9.0, gt=0)
    poll: float = Field(default=60.0, ge=0)
    disk_min: ByteSize = ByteSize(2 << 30)
    mirrors_max: ByteSize = ByteSize(10 << 30)
    build_cache_max: ByteSize = ByteSize(20 << 30)
    memory: ByteSize = ByteSize(2 << 30)
    cpus: float = Field(default=2.0, gt=0)
    pids: int = Field(default=512, ge=1)
    log_head: ByteSize = ByteSize(8 << 20)
    log_tail: ByteSize = ByteSize(8 << 20)
    log_budget: ByteSize = ByteSize(512 << 20)
    keep_days: float = Field(default=90.0, gt=0)
    keep_pipelines: int = Field(default=10_000, ge=1)
    keep_images: int = Field(default=10, ge=1)
    slack: SlackSettings | None = None
    repositories: Mapping[str, RepositorySettings] = Field(default_factory=dict)

    @classmethod
    def load(cls, home: Path | None = None) -> Self:
        """Read the embedded default, FARM_HOME/farm.yml, what was chosen or joined there, and FARM_*; a later one wins.

        Chosen is what `farm up` wrote (state.json), joined what `farm join` did (worker.env).
        """
        home = (home or default_home()).absolute()
        own = home / "farm.yml"
        values: dict[str, Any] = _read(config_file("farm.yml"))
        if own.exists():
            values |= _read(own)
        if state := read_state(home):
            values |= state.settings()
        else:
            values |= _environment(values, read_membership(home))
        variables = _environment(values, os.environ)
        values |= variables
        try:
            return cls.model_validate(values | {"home": home})
        except ValidationError as error:
            raise Refused(_sentence(error, own, variables)) from None

    def repository(self, name: str) -> RepositorySettings:
        """Return what is said about the repository, the defaults where nothing is."""
        return self.repositories.get(name, RepositorySettings())

    def advice(self) -> Sequence[str]:
        """Return what is careless in these settings or cannot work yet, though they are valid, and what to do."""
        return list(advice(self))


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Refused(f"{path} cannot be read; mend it: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise Refused(f"{path} must hold keys and values, one a line; see the annotated {config_file('farm.yml')}")
    return document


def _environment(values: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in Settings.model_fields:
        if field in ("home", "slack", "repositories"):
            continue
        text = variables.get(_variable(field))
        if text is not None:
            found[field] = tuple(part for part in text.split(",") if part) if field == "labels" else text
    slack = {
        key: Secret("env", name) if key == "webhook" else variables[name]
        for key in SlackSettings.model_fields
        if (name := f"{_PREFIX}SLACK_{key.upper()}") in variables
    }
    if slack:
        found["slack"] = (values.get("slack") or {}) | slack
    return found


def _variable(field: str) -> str:
    return "FARM_ID" if field == "farm_id" else _PREFIX + field.upper()


def _sentence(error: ValidationError, own: Path, variables: Mapping[str, Any]) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    top = str(first["loc"][0]) if first["loc"] else ""
    place = f"environment variable {_variable(top)}" if top in variables else str(own)
    return f"{place}: {key}: {first['msg']}; every key is explained in {config_file('farm.yml')}"
