"""One trial on its way: each of its steps by the stages themselves, in a workspace of this machine alone."""

import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from farm import git, split
from farm.artifacts import unpack
from farm.definition.models import Artifacts
from farm.errors import Canceled, Errored, Failed
from farm.pipeline import Job, Pipeline, Status, job_name, step_name
from farm.record import Claim
from farm.registry import Registry
from farm.settings import Settings
from farm.trial import Trial
from workers import build, cleanup, test, tries
from workers.engine import Check, Engine, Limits, Owner
from workers.local import borrowed, shell
from workers.local.scratch import Scratch
from workers.local.summary import summed_up
from workers.local.voice import Voice
from workers.masked import MaskedLog
from workers.tree import gather
from workers.workspace import Keep, Outcome, Workspace, expiry

_SHELL = 7 * 24 * 3600
_HOST = "farm-local"  # stands before the names of images where a registry would


@dataclass(slots=True)
class LocalRun:
    """One trial on its way; every step has its own workspace, taken down before the next begins."""

    trial: Trial
    settings: Settings
    engine: Engine
    scratch: Scratch
    check: Check
    last: ExitStack
    """What is to be taken away at the end of all."""
    jobs: dict[str, Job] = field(default_factory=dict)
    image: str | None = None
    commit: str = ""
    url: str = ""
    begun: float = field(default_factory=time.monotonic)

    @property
    def repository(self) -> str:
        """The name of the image on the engine."""
        return f"{_HOST}/{self.trial.image_repository}"

    @property
    def mine(self) -> str:
        """The name of the image that no other run takes away while this one lasts."""
        return f"{self.repository}:run-{self.scratch.farm_id}-{self.scratch.fence}"

    def pipeline(self) -> Pipeline:
        """Do all steps and return how they ended."""
        begun = time.time()
        self.image, self.commit, self.url = self.trial.image, self.trial.commit, self.trial.url
        self._prepare()
        mirror = git.mirror_path(self.scratch.folder, self.trial.repository)
        files = partial(git.matching, mirror, self.commit)
        definition = split.shared(self.trial.definition, files, lambda _: {})
        self.trial = self.trial.model_copy(update={"definition": definition})
        canceled = False
        for step in self.trial.steps:
            job = Job(step, Status.CANCELED) if canceled else self._job(step)
            canceled = canceled or job.status is Status.CANCELED
            self.jobs[step] = job
        released = self._release() if self.trial.tags and self._passed() else ()
        image = f"{self.repository}:latest" if "build" in self.jobs and self.image else self.image
        return summed_up(self.trial, self.jobs, commit=self.commit, image=image, begun=begun, released=released)

    def _check(self) -> None:
        self.check()
        limit = self.trial.definition.timeout
        if limit is not None and time.monotonic() > self.begun + limit:
            raise Failed(f"timed out: the pipeline did not end within the {limit:g} s that its `timeout` gives it")

    def _prepare(self) -> None:
        if self.trial.shell:
            shell.program()
        self.engine.info()
        cleanup.sweep(self.engine, self.scratch.farm_id, lambda owner: self.scratch.alive(owner.fence))
        for repository in self.engine.repositories(_HOST):
            for name, _ in self.engine.images(repository):
                _, ours, fence = name.partition(f":run-{self.scratch.farm_id}-")
                if ours and not self.scratch.alive(int(fence.removesuffix("-failed"))):
                    self.engine.remove_image(name)
        mirror = git.mirror_path(self.scratch.folder, self.trial.repository)
        if self.trial.folder is not None:
            mirror.parent.mkdir(parents=True, exist_ok=True)
            borrowed.borrow(mirror, Path(self.trial.folder))
            if self.trial.definition.source:
                self.url = borrowed.origin(Path(self.trial.folder)) or self.url
            if self.trial.dirty:
                self.commit = borrowed.snapshot(mirror, Path(self.trial.folder), self.trial.commit)

    def _job(self, step: str) -> Job:
        begun = time.time()
        status, reason = Status.SKIPPED, self._missing(step)
        result = {}
        if reason is None:
            outcome = self._outcome(step)
            status, reason, result = outcome.status, outcome.reason, outcome.document()
        ran = status is not Status.SKIPPED
        return Job(
            step,
            status,
            attempts=int(ran),
            reason=reason,
            started=begun if ran else None,
            finished=time.time(),
            result=result,
            allowed=bool(result.get("allowed")),
        )

    def _missing(self, step: str) -> str | None:
        """Return why a step cannot run: what it needs was to be done and did not pass."""
        if step == "build":
            return None
        job = self.trial.definition.jobs[job_name(step)]
        if job.files == ():
            return "no file is left for this shard"
        needs = ["build", *(step_name(need) for need in job.needs)]
        for need in needs:
            if need in self.jobs and self.jobs[need].counts is not Status.PASSED:
                return f"{need} did not pass"
        return None

    def _outcome(self, step: str) -> Outcome:
        several = sum(each != "build" for each in self.trial.steps) > 1
        voice = Voice(job_name(step) if several and step != "build" else None)
        voice.line(f"=== {step} ===")
        begun = time.monotonic()
        secrets = self._secrets(step)
        with ExitStack() as teardown, closing(MaskedLog(voice, secrets.values())) as log:
            work = self._workspace(step, log, secrets, teardown)
            try:
                self._check()
                outcome = self._build(work) if step == "build" else self._test(work)
            except Failed as error:
                outcome = Outcome(Status.FAILED, str(error))
            except Canceled:
                outcome = Outcome(Status.CANCELED, "interrupted")
            except Errored as error:
                outcome = Outcome(Status.ERRORED, str(error))
            if step != "build":
                outcome = test.forgiven(test.job_of(work), outcome)
            outcome = replace(outcome, reason=outcome.reason and work.hide(outcome.reason))
            log.close()
            voice.end()
            word = f"{outcome.status}, which is allowed," if outcome.result.get("allowed") else str(outcome.status)
            took = f"{word} after {time.monotonic() - begun:.1f} s"
            voice.line(f"{took}: {outcome.reason}" if outcome.reason else took)
        return outcome

    def _build(self, work: Workspace) -> Outcome:
        tree = gather(work)
        self.last.callback(self.engine.remove_image, self.mine)
        built = build.make(work, tree, (f"{self.repository}:latest", self.mine))
        self.image = built.image_id
        return Outcome(Status.PASSED, result={"image_id": built.image_id, "builder": built.builder})

    def _test(self, work: Workspace) -> Outcome:
        failed: tuple[Workspace, test.Place, str] | None = None

        def once(work: Workspace) -> Outcome:
            nonlocal failed
            place = test.prepare(work)
            container = test.start(work, place, place.job.script)
            failed = (work, place, container)
            return test.judge(work, place, container)

        outcome = tries.run(work, test.job_of(work), once)
        if outcome.status is Status.FAILED and self.trial.shell and failed:
            work.log.line(f"failed: {outcome.reason}")
            shell.offer(*failed, f"{self.mine}-failed")
        return outcome

    def _release(self) -> tuple[str, ...]:
        trial = self.trial
        voice = Voice(None)
        voice.line("=== release ===")
        repository = f"{trial.registry}/{trial.image_repository}"
        digest = self.engine.push(self.image or "", repository, trial.tags, check=self.check)
        for tag in trial.tags:
            self.engine.remove_image(f"{repository}:{tag}")
            voice.line(f"released {repository}:{tag} -> {digest}")
        return trial.tags

    def _secrets(self, step: str) -> Mapping[str, str]:
        job = self.trial.definition.jobs.get(job_name(step))
        names = self.trial.definition.build.secrets if step == "build" else job.secrets if job else ()
        return {name: self.trial.secrets[name] for name in names}

    def _workspace(self, step: str, log: MaskedLog, secrets: Mapping[str, str], teardown: ExitStack) -> Workspace:
        trial, settings = self.trial, self.settings
        expires = expiry(trial.definition) + (_SHELL if trial.shell else 0)
        claim = Claim(
            verdict="go",
            number=trial.number,
            step=step,
            worker="this machine",
            stage=step.partition("/")[0],
            fence=self.scratch.fence,
            attempt=1,
            repository=trial.repository,
            url=self.url,
            ref=trial.ref,
            commit=self.commit,
            image_repository=trial.image_repository,
            image=self.image,
        )
        return Workspace(
            claim=claim,
            definition=trial.definition,
            engine=self.engine,
            registry=teardown.enter_context(Registry(settings.registry, plain=settings.registry_plain)),
            log=log,
            check=self._check,
            guard=self._check,
            owner=Owner(self.scratch.farm_id, trial.number, step, self.scratch.fence, expires),
            home=self.scratch.folder,
            limits=Limits(memory=settings.memory, cpus=settings.cpus, pids=settings.pids),
            keep=Keep(int(settings.artifact_max), partial(_kept, Path(trial.artifacts))) if trial.artifacts else None,
            teardown=teardown,
            secrets=secrets,
            hide=log.mask.text,
        )

    def _passed(self) -> bool:
        return all(job.counts is Status.PASSED for job in self.jobs.values())


def _kept(folder: Path, work: Workspace, _: Artifacts, file: IO[bytes]) -> Mapping[str, Any]:
    """Put artifacts below a folder, in one for each job."""
    place = folder / job_name(work.claim.step)
    place.mkdir(parents=True, exist_ok=True)
    unpack(file, place)
    return {}
