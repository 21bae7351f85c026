"""The values that the record hands out: what a worker may do, what is to be woken, what a tag shall point to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from farm.pipeline import Step
from farm.release import Released

SCHEMA = 1
Verdict = Literal["go", "busy", "done", "early", "dead", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim; only with verdict `go` does the worker own the step, under this fence.

    The other verdicts: `busy` another worker has it, `done` it has passed (`next` says whether a step behind it still
    waits, so that the duplicate heals a lost link), `early` it is not its turn yet, `dead` it will never run,
    `elsewhere` this worker is to leave it to others.
    """

    verdict: Verdict
    number: int
    step: str
    worker: str
    next: bool = False
    stage: str = ""
    fence: int = 0
    lease_until: float = 0.0  # time.monotonic() of this process
    attempt: int = 0
    round: int = 1
    repository: str = ""
    url: str = ""
    default_branch: str = ""
    ref: str = ""
    commit: str = ""
    old: str = ""
    definition: str = ""
    image_repository: str = ""
    image: str | None = None
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # step -> what it committed
    who: str = ""
    subject: str = ""
    author: str = ""
    created: float = 0.0
    protected: bool = False  # whether the server protects the ref, and git bears out that the push is its

    @property
    def go(self) -> bool:
        """Whether the worker owns the step."""
        return self.verdict == "go"


@dataclass(frozen=True, slots=True)
class Wake:
    """A step to be published again, with the rest of its chain behind it."""

    number: int
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Intent:
    """What a tag shall point to by the record; with a winner it is a refusal: a newer push has the tag already."""

    repository: str  # of the image, without the registry's host
    tag: str
    digest: str
    number: int
    fence: int = 0
    owner: str = ""  # "<repository> <ref>"
    confirmed: bool = False
    mark: int = 0  # the newest pipeline that ever had the tag
    moves: int = 0  # how often it was given another digest
    age: float = field(default=0.0, compare=False)  # seconds since the intent, when it was read
    winner: int | None = None
    reason: str | None = None

    @property
    def go(self) -> bool:
        """Whether the manifest may be put under the tag now."""
        return self.winner is None


@dataclass(frozen=True, slots=True)
class Tag:
    """What a tag is by the record, who moved it there, and what it was, the newest first."""

    intent: Intent
    who: str
    kind: Literal["release", "rollback"]
    history: Sequence[Released]

    def document(self) -> dict[str, Any]:
        """Return the JSON that `farm releases --json` prints for each tag; times are Unix seconds."""
        repository, _, ref = self.intent.owner.partition(" ")
        return {
            "repository": repository,
            "ref": ref,
            "image": self.intent.repository,
            "tag": self.intent.tag,
            "number": self.intent.number,
            "digest": self.intent.digest,
            "confirmed": self.intent.confirmed,
            "newest": self.intent.mark,
            "who": self.who,
            "kind": self.kind,
            "history": [asdict(each) for each in self.history],
        }


@dataclass(frozen=True, slots=True)
class Disk:
    """Room below a folder of a build machine, in bytes."""

    place: str
    free: int
    size: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What a build machine has left: the load of the last minute, memory in bytes, disks that the farm fills."""

    load: float
    cores: int
    memory_free: int = 0
    memory_size: int = 0
    disks: Sequence[Disk] = ()


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker says of itself every few seconds; `seen` is filled in by the record.

    `closed` says why it takes no work: by its own account as it says it; as it is read, also by a person's or the
    record's word.
    """

    name: str
    host: str
    slots: int
    labels: Sequence[str] = ()
    queues: Sequence[str] = ()
    busy: Sequence[str] = ()  # "#218 test"
    seen: float = 0.0
    closed: str | None = None
    drained: bool = False
    machine: Machine | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """How one queue stands; `oldest` is how long its first step has been waiting, in seconds.

    Consumers are the workers that take steps from it now; `why` says why nobody does.
    """

    name: str
    depth: int
    oldest: float | None
    running: int
    consumers: Sequence[str]
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The artifacts that one attempt at a step has sent; they count if the record took that attempt."""

    number: int
    step: str
    fence: int


@dataclass(frozen=True, slots=True)
class Repository:
    """One registered name with one clone URL that workers can reach."""

    name: str
    url: str
    default_branch: str
    token_hash: str
    created: float


def dumps(value: Any) -> str:
    """Return compact JSON, letters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
