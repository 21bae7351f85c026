"""What farm.yml can say: every key of it with its default. It knows no file, no state and no environment.

The JSON Schema comes from these models, and what it says of each key from the words below them.
"""

import os
import re
import socket
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, ByteSize, Field

from farm.definition.names import Label
from farm.definition.values import kind, wrong
from farm.settings.email import EmailSettings
from farm.settings.forges import ForgeSettings, Kind
from farm.settings.registries import Host, RegistrySettings
from farm.settings.repositories import RepositorySettings
from farm.settings.schedules import ScheduleSettings
from farm.settings.slack import SlackSettings
from farm.settings.trackers import TrackerSettings
from farm.settings.values import HttpUrl, Size, Url, Values
from farm.settings.webhooks import WebhookSettings

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
SecretKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _named(worker: str) -> str:
    """Refuse what breaks where the name stands: a list with commas, a path, Celery's --hostname, which expands `%h`."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,99}(@[A-Za-z0-9][\w.-]{0,252})?", worker, re.ASCII):
        raise wrong(f"{kind(worker)} is no name of a worker", "letters, digits, - _ . and one @, such as w2@build7")
    return worker


def _whole(url: str) -> str:
    """Refuse a folder that would be another one for each process, by where that was started."""
    if url and not re.match(r"/|(?!file:|local:)\S+://|(file|local):///", url):
        raise wrong(f"{kind(url)} is no URL of a folder", "write file:///srv/artifacts or s3://bucket/folder")
    return url


def _beginning(url: str) -> str:
    """Refuse what begins no URL whose host is whole: nothing that begins so is ever called."""
    if not re.match(r"https?://[^\s/@]+/", url):
        raise wrong(f"{kind(url)} begins no URL that is called", "write https://HOST/, with the slash")
    return url


class Document(Values):
    """The farm's own settings; times are seconds."""

    farm_id: str = Field(default="", pattern=r"^([0-9a-f]{12})?$")
    """12 hex digits that mark what belongs to this farm on a shared Docker Engine; `farm up` chooses them."""
    redis_url: Url = Field(default="redis://127.0.0.1:6379/0", pattern=r"^(rediss?|unix)://\S+$", repr=False)
    """The Redis that holds the queue and the record."""
    registry: str = Field(default="127.0.0.1:5000", pattern=r"^([^\s/@:\[\]]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$")
    """The registry as it is written in image names."""
    registry_plain: bool = False
    """Whether the registry is spoken to without TLS also on another machine; engines must trust it too."""
    url: HttpUrl = "http://127.0.0.1:8440"
    """The dispatcher's API."""
    web_url: HttpUrl = "http://127.0.0.1:5555"
    """Flower, for links that people open."""
    badges: Literal["public", "private"] = "public"
    """Whether the API shows badges to everybody, or only to a token that reads the repository."""
    token: str = Field(default="", repr=False)
    """The dispatcher's admin token."""
    secret_keys: tuple[SecretKey, ...] = Field(default=(), repr=False)
    """Keys of 64 hex digits each: the first seals the secrets of repositories, all open them."""
    worker_name: Annotated[str, AfterValidator(_named)] = Field(default_factory=lambda: f"w1@{socket.gethostname()}")
    """The worker's name as it is shown to people; without it w1@HOSTNAME."""
    slots: int = Field(default_factory=lambda: 2 * (os.cpu_count() or 1), ge=1)
    """How many steps the worker takes at a time; without it twice the number of cores."""
    labels: tuple[Label, ...] = Field(default=(), max_length=4)
    """What a job's runs_on may ask this worker for."""
    lease: float = Field(default=9.0, ge=1)
    """Seconds without a sign of life until another worker may take a step over."""
    poll: float = Field(default=60.0, ge=0)
    """Seconds between two looks (git ls-remote) at each repository; 0 for never."""
    disk_min: Size = ByteSize(2 << 30)
    """Room on a disk, of the engine or FARM_HOME, below which no work is taken."""
    mirrors_max: Size = ByteSize(10 << 30)
    """Of all mirrors of git repositories; the longest unused go first."""
    build_cache_max: Size = ByteSize(20 << 30)
    """Of the engine's BuildKit cache, whoever filled it; the longest unused goes first."""
    memory: Annotated[Size, Field(ge=6 << 20)] = ByteSize(2 << 30)
    """Memory of each container; no engine takes less than 6 MiB."""
    cpus: float = Field(default=2.0, ge=0.01)
    """Processors of each container."""
    pids: int = Field(default=512, ge=1)
    """Processes and threads of each container."""
    log_head: Size = ByteSize(8 << 20)
    """How much of a step's log is kept from its beginning."""
    log_tail: Size = ByteSize(8 << 20)
    """How much of a step's log is kept from its end."""
    log_budget: Size = ByteSize(512 << 20)
    """Of all logs together, compressed; the oldest go first."""
    keep_days: float = Field(default=90.0, gt=0)
    """Days for which the record and the logs of a finished pipeline are kept."""
    keep_pipelines: int = Field(default=10_000, ge=1)
    """How many of the newest finished pipelines are kept at most."""
    keep_images: int = Field(default=10, ge=1)
    """How many of the newest of each image, and of each tag's releases, are kept."""
    slack: SlackSettings | None = None
    """Where Slack hears of results, and of which."""
    forges: Mapping[Kind, ForgeSettings] = Field(default_factory=dict)
    """What holds for all repositories on forges of one kind."""
    email: EmailSettings | None = None
    """Authors who are written to when they break a branch, and by which server."""
    webhooks: Mapping[Name, WebhookSettings] = Field(default_factory=dict)
    """Addresses that are told what happens to pipelines, by a name of your choice."""
    trackers: Mapping[Name, TrackerSettings] = Field(default_factory=dict)
    """Trackers whose stories follow the commits that name them, by a name of your choice."""
    registries: Mapping[Host, RegistrySettings] = Field(default_factory=dict)
    """Logins at registries of base images, services, job images and of the farm, by host; Docker Hub: docker.io."""
    artifacts: Annotated[str, AfterValidator(_whole)] = ""
    """Where artifacts are kept: file:///folder, s3://bucket/folder, or what fsspec knows; else FARM_HOME/artifacts."""
    artifact_max: Size = ByteSize(256 << 20)
    """How many bytes of artifacts one job may leave; the workers' own setting and the dispatcher's count both."""
    hook_urls: tuple[Annotated[str, AfterValidator(_beginning)], ...] = ()
    """Beginnings of URLs, host and a slash at least, that hooks of a release may call; none unless said."""
    schedules: Mapping[Name, ScheduleSettings] = Field(default_factory=dict)
    """Pipelines that begin by the clock, by a name of your choice."""
    repositories: Mapping[str, RepositorySettings] = Field(default_factory=dict)
    """Repositories that need other than the default, by name."""
