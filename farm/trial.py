"""What `farm run` and `farm replay` hand to `python -m workers.local`: which commit, which steps. It runs nothing."""

from pydantic import BaseModel, ConfigDict, Field

from farm.definition import Definition


class Trial(BaseModel):
    """One pipeline to run on this machine, without a farm; as JSON it goes from one program to the other.

    With an `image` nothing is built: the jobs run in that very image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    """Its name, for people and for the name of the image."""
    url: str
    """Where the commit can be fetched if `folder` lacks it."""
    folder: str | None = None
    """The top of a work tree whose commits are used as they are."""
    dirty: bool = False
    """Whether the files of the work tree count, not those of the commit; files that git ignores never do."""
    commit: str = ""
    """The full id; empty only for a dirty tree without any commit."""
    ref: str = "refs/heads/main"
    subject: str = ""
    who: str = ""
    """Whoever started it."""
    number: int = 0
    """The pipeline that is replayed; 0 for none."""
    definition: Definition
    image_repository: str
    image: str | None = None
    steps: tuple[str, ...]
    """The names of the steps to do, each behind those that it needs."""
    shell: bool = False
    """Whether a person gets a shell where a job has failed."""
    secrets: dict[str, str] = Field(default={}, repr=False)
    """The values of the secrets that the steps name."""
    artifacts: str | None = None
    """The folder below which artifacts are put; None where none are kept."""
    registry: str | None = None
    """Where the image goes in the end, if all has passed, and under which tags."""
    tags: tuple[str, ...] = ()
