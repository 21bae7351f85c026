"""How a trial ended, told as the farm tells of a pipeline. It runs nothing."""

import time
from collections.abc import Mapping, Sequence

from farm.pipeline import Job, Pipeline, Stage, Status, sum_up
from farm.trial import Trial


def summed_up(
    trial: Trial, jobs: Mapping[str, Job], *, commit: str, image: str | None, begun: float, released: Sequence[str]
) -> Pipeline:
    """Return the pipeline that these jobs, by their steps, have made; it began at a time in Unix seconds."""
    stages = [
        Stage(
            name,
            sum_up([job.counts for job in own]),
            started=min((job.started for job in own if job.started), default=None),
            finished=max((job.finished for job in own if job.finished), default=None),
            jobs=own,
        )
        for name in ("build", "test")
        if (own := [job for step, job in jobs.items() if step.partition("/")[0] == name])
    ]
    ran = [job for job in jobs.values() if job.status is not Status.SKIPPED]
    worst = next((job for job in ran if job.counts is not Status.PASSED), None)
    return Pipeline(
        number=trial.number,
        repository=trial.repository,
        ref=trial.ref,
        commit=commit,
        subject=trial.subject,
        author="",
        who=trial.who,
        status=sum_up([job.counts for job in ran]),
        reason=f"{worst.name}: {worst.reason}" if worst and worst.reason else None,
        created=begun,
        started=begun,
        finished=time.time(),
        image=image,
        released=released,
        stages=stages,
    )
