"""The definition as the farm uses it: everything filled in, short forms gone. document.py knows the file."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Network = Literal["own", "shared"]
SlackWhen = Literal["always", "change", "failure", "never"]
Superseded = Literal["cancel", "finish"]
Beside = Literal["lfs", "submodules"]
AllowFailure = bool | tuple[int, ...]
Cause = Literal["timeout", "service"] | int


class Value(BaseModel):
    """A frozen value with strict types that knows all of its keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class Build(Value):
    """How the image is built. Paths are relative: the context to the repository, the dockerfile to the context."""

    context: str = "."
    dockerfile: str = "Dockerfile"
    target: str | None = None
    args: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    """More tags of the image that was built, tested or not: templates, none of them a release's."""
    cache: tuple[str, ...] | None = ()
    """Branches or git tags whose newest image is the cache; none named: its own ref's, else the default branch's.

    None: no cache leaves this machine or comes to it.
    """


class Ready(Value):
    """When a service counts as ready. With neither, the image's own HEALTHCHECK decides, else that it runs."""

    command: str | None = None
    port: int | None = None


class Service(Value):
    """A container beside a job; its name is its host name. `timeout` (seconds) is for getting ready."""

    image: str
    env: dict[str, str] = {}
    command: tuple[str, ...] | None = None
    ready: Ready = Ready()
    timeout: float = 60.0
    tmpfs: tuple[str, ...] = ()
    """Folders that are kept in memory."""
    needs: tuple[str, ...] = ()
    """The services that have to be ready before this one starts."""
    memory: int | None = None
    """Bytes; None is what the farm gives each container."""


class When(Value):
    """Which pushes call for a job: those of one of these refs, with these variables, and where a path has changed."""

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    variables: dict[str, tuple[str, ...]] = {}


class Retry(Value):
    """How often a failed job is tried again, and after which causes: exit codes and words. None named: any."""

    max: int = 0
    on: tuple[Cause, ...] = ()


class Artifacts(Value):
    """Files of a job that are kept for `expire` seconds, after which end of it."""

    paths: tuple[str, ...]
    expire: float = 2592000.0
    when: Literal["passed", "failed", "always"] = "passed"


class Job(Value):
    """One unit of the test stage. Without an image of its own it runs in the one that was built."""

    script: tuple[str, ...]
    image: str | None = None
    env: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    services: dict[str, Service] = {}
    junit: tuple[str, ...] = ()
    coverage: tuple[str, ...] = ()
    timeout: float = 1800.0
    memory: int | None = None
    """Bytes; None is what the farm gives each container."""
    network: Network = "own"
    checkout: str | None = None
    """Where the script finds the files of the commit, and its working directory then."""
    needs: tuple[str, ...] = ()
    """The jobs that have to pass before this one starts."""
    runs_on: tuple[str, ...] = ()
    """The labels that a worker must have, sorted."""
    when: When = When()
    fixed: tuple[str, ...] = ()
    """The variables that its matrix sets, which no push may."""
    split: str | None = None
    """The files to divide among the shards, as a pattern."""
    files: tuple[str, ...] | None = None
    """Those of this shard, once that is decided; the definition as it is written does not say it."""
    retry: Retry = Retry()
    allow_failure: AllowFailure = False
    """Whether its failure holds up nothing: any, or only that with one of these exit codes."""
    artifacts: Artifacts | None = None
    """Files that are kept beyond its end."""


class Hook(Value):
    """What is done once for each released image: a script in it, or a call of a URL."""

    script: tuple[str, ...] = ()
    url: str | None = None
    env: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    timeout: float = 600.0


class Release(Value):
    """What releases: branches narrow what the server protects (none named: all of it); tags are templates.

    Without any tag nothing is released.
    """

    branches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ("latest",)
    after: dict[str, Hook] = {}


class Notify(Value):
    """Who hears of the pipeline's end. None leaves it to the server."""

    slack: SlackWhen | None = None


class On(Value):
    """Which pushes of a branch run: those that change one of `paths` (none named: any) that is not one of `ignore`."""

    paths: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    superseded: Superseded = "finish"
    """What becomes of the older pipelines of the same ref that are not at their end."""


class Definition(Value):
    """What `.farm.yml` says. The default is the one of a repository without the file: built, nothing tested."""

    image: str | None = None
    source: tuple[Beside, ...] = ()
    """What belongs to the tree of a commit beside git's own files."""
    build: Build = Build()
    jobs: dict[str, Job] = {}
    untested: bool = False
    """Whether the file says on purpose (`test: none`) that nothing is tested."""
    release: Release = Release()
    notify: Notify = Notify()
    on: On = On()
    timeout: float | None = None
    """Seconds for the whole pipeline, from the start of its first step."""

    @property
    def releasable(self) -> bool:
        """Whether anything may be released: something is tested, or nothing on purpose."""
        return bool(self.jobs) or self.untested
