"""The reporter that moves stories: read when a push comes in, finished with its tests, delivered with `latest`.

What a commit asks holds for every pipeline whose commit came from it: a push that mends a broken one finishes and
delivers the stories of both. Tags and pull requests move nothing.
"""

from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from farm import git
from farm.ledger import Ledger
from farm.pipeline import Pipeline, Status
from farm.reporters import Later, News
from farm.reporters.tracker import Act, Occasion, Tracker, Unheard
from farm.reporters.tracker.memory import Entry, Memory, Stage
from farm.settings import TrackerSettings

MOST = 500  # commits of one push that are read
LATEST = "latest"
_OPEN = (Stage.NEW, Stage.NAMED)


class Stories:
    """Moves the stories of one tracker; `note` puts a line on a pipeline."""

    kinds: Collection[str] = ("queued", "step", "finished", "released", "rolledback")

    def __init__(
        self,
        name: str,
        tracker: Tracker,
        settings: TrackerSettings,
        *,
        memory: Memory,
        ledger: Ledger,
        home: Path,
        web_url: str,
        note: Callable[[int, str], None],
    ) -> None:
        self.name = name
        self._tracker = tracker
        self._settings = settings
        self._memory = memory
        self._ledger = ledger
        self._home = home
        self._web_url = web_url
        self._note = note

    def tell(self, news: News) -> None:
        """Do what the news makes true of stories; the tracker's refusals become lines on the pipeline."""
        pipeline = news.pipeline
        wanted = any(fnmatchcase(pipeline.repository, pattern) for pattern in self._settings.repositories)
        if not wanted or not pipeline.ref.startswith("refs/heads/"):
            return
        match news.kind:
            case "queued":
                self._learn(pipeline)
            case "finished" if not pipeline.stages and self._has(pipeline):  # it was never queued
                self._learn(pipeline)
            case "released" if news.tag == LATEST:
                self._advance(pipeline, Act.DELIVER)
            case "rolledback" if news.tag == LATEST:
                self._take_back(pipeline, news.who)
                self._advance(pipeline, Act.DELIVER)  # what a rollback of a rollback brings back
        if _tested(pipeline):
            self._advance(pipeline, Act.FINISH)

    def test(self) -> str:
        """Ask the tracker who the farm is there."""
        return self._tracker.test()

    def _learn(self, pipeline: Pipeline) -> None:
        """Remember the stories of every commit of the push, and tell the tracker of those that are new."""
        push, mirror = self._ledger.push(pipeline.number), self._filled(pipeline)
        # Of a new ref it is what no ref had when it came: the mirror may have later ones by now, with the same commits.
        before = self._ledger.stood(pipeline.number) if push.created else {push.old}
        for commit in git.since(mirror, before, pipeline.commit, limit=MOST):
            self._memory.learn(push.repository, commit.id, self._tracker.read(commit.message, push.repository))
        fresh: dict[str, list[Entry]] = {}
        for entry in self._memory.entries(push.repository):
            if entry.stage is Stage.NEW:
                fresh.setdefault(entry.commit, []).append(entry)
        for commit in git.commits(mirror, fresh):
            entries, occasion = fresh[commit.id], self._occasion(pipeline, commit)
            for sentence in self._tracker.announce([entry.mention for entry in entries], occasion):
                self._note(pipeline.number, sentence)
            for entry in entries:
                self._memory.move(push.repository, entry, Stage.NAMED)

    def _advance(self, pipeline: Pipeline, act: Act) -> None:
        """Finish or deliver what the pipeline's commit came from and what asks for it."""
        stage = Stage.DELIVERED if act is Act.DELIVER else Stage.FINISHED
        do = self._tracker.deliver if act is Act.DELIVER else self._tracker.finish
        entries = self._memory.entries(pipeline.repository)
        due = [entry for entry in entries if entry.mention.act is act and entry.stage in _OPEN]
        self._move(pipeline, due, stage, lambda entry, occasion: do(entry.mention, occasion), held=True)

    def _take_back(self, pipeline: Pipeline, who: str) -> None:
        """Open again what was delivered by commits that the pipeline's commit did not come from."""
        entries = self._memory.entries(pipeline.repository)
        delivered = [entry for entry in entries if entry.stage is Stage.DELIVERED]
        reopen = self._tracker.reopen
        self._move(
            pipeline,
            delivered,
            Stage.NAMED,
            lambda entry, occasion: reopen(entry.mention, occasion, who),
            held=False,
        )

    def _move(
        self,
        pipeline: Pipeline,
        entries: Sequence[Entry],
        stage: Stage,
        do: Callable[[Entry, Occasion], None],
        *,
        held: bool,
    ) -> None:
        """Move those entries from whose commits the pipeline's commit came, or with `held` false those others."""
        if not entries:
            return
        mirror = self._filled(pipeline)
        found = {commit.id: commit for commit in git.commits(mirror, {entry.commit for entry in entries})}
        ours = git.among(mirror, pipeline.commit, found)
        for entry in entries:
            commit = found.get(entry.commit)
            if commit is None or (commit.id in ours) is not held:
                continue
            try:
                do(entry, self._occasion(pipeline, commit))
            except Unheard as unheard:
                self._note(pipeline.number, str(unheard))
                self._memory.move(pipeline.repository, entry, Stage.LEFT)
            else:
                self._memory.move(pipeline.repository, entry, stage)

    def _occasion(self, pipeline: Pipeline, commit: git.Commit) -> Occasion:
        link = f"{self._web_url}/pipelines/{pipeline.number}"
        return Occasion(commit, pipeline.repository, pipeline.number, link)

    def _has(self, pipeline: Pipeline) -> bool:
        return git.find(self._mirror(pipeline), pipeline.commit) is not None

    def _filled(self, pipeline: Pipeline) -> Path:
        """Return the mirror with the pipeline's commit; Later while it lacks that, for then nothing is known."""
        if not self._has(pipeline):
            sentence = f"the mirror of {pipeline.repository} has no commit {pipeline.commit[:7]}"
            raise Later(f"{sentence} until the next push fetches it", alone=True)
        return self._mirror(pipeline)

    def _mirror(self, pipeline: Pipeline) -> Path:
        return git.mirror_path(self._home, pipeline.repository)


def _tested(pipeline: Pipeline) -> bool:
    """Whether the tests have passed; where on purpose there are none, whether all has."""
    tests = [stage for stage in pipeline.stages if stage.name == "test"]
    return all(stage.status is Status.PASSED for stage in tests) if tests else pipeline.status is Status.PASSED
