"""How the test stage is written: one job, or several named ones that share what stands beside them."""

from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from farm.definition import models
from farm.definition.commands import Env, Script
from farm.definition.keeping import Artifacts, written_artifacts
from farm.definition.matrix import Matrix, Shards, fill, variants
from farm.definition.models import Value
from farm.definition.names import (
    Absolute,
    ImageTemplate,
    JobName,
    Labels,
    Needs,
    Parents,
    Patterns,
    Secrets,
    TemplateName,
)
from farm.definition.order import ordered
from farm.definition.outcomes import Allowed, Tries
from farm.definition.parallel import Parallel, written_parallel
from farm.definition.quantities import JobTimeout, Memory
from farm.definition.retry import Retry, written_retry
from farm.definition.services import Services
from farm.definition.values import Given, wrong
from farm.definition.when import When, written_when

TIMEOUT = 1800.0


class Reports(Value):
    """Files that the tests leave behind and the farm reads."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    junit: Patterns = ()
    """JUnit XML files, as patterns relative to the working directory of the job."""
    coverage: Patterns = ()
    """Cobertura XML files, as such patterns: how many lines the tests ran."""


def _reports(value: object) -> object:
    if value is None or value == {}:
        raise wrong("this is empty", "remove the key, or name junit or coverage")
    return value


class Surroundings(Value):
    """What a job runs in. Beside `jobs` it is shared: a job's own key goes before; env, secrets and services join."""

    extends: Parents = ()
    """Templates that it takes over; its own keys go before, and those of a later template before an earlier one's."""
    image: Annotated[ImageTemplate | None, Given] = None
    """An image to run in instead of the one that was built; {NAME} stands for a value of the matrix."""
    env: Env = Field(default_factory=dict)
    """The environment of the script."""
    secrets: Secrets = ()
    """Secrets of the repository that the script has in its environment."""
    services: Services = Field(default_factory=dict)
    """Containers beside the job: name to image, or name to image, env, command and ready."""
    reports: Annotated[Reports | None, BeforeValidator(_reports, json_schema_input_type=Reports)] = None
    """What the tests report, so that a failure names the failing test."""
    artifacts: Annotated[
        Artifacts | None, BeforeValidator(written_artifacts, json_schema_input_type=Patterns | Artifacts), Given
    ] = None
    """Files that the farm keeps for people to download: paths, or paths with expire and when."""
    timeout: Annotated[JobTimeout | None, Given] = None
    """How long the script may take; 30m unless said."""
    memory: Annotated[Memory | None, Given] = None
    """The most memory that the script may take, if that is to be less than the farm gives."""
    network: Annotated[models.Network | None, Given] = None
    """own: services have host names. shared: they are on localhost too, as if all ran in one container."""
    checkout: Annotated[Absolute | None, Given] = None
    """Where the files of the commit are put; the script then starts there, not in the image's working directory."""
    runs_on: Labels = ()
    """Labels that the worker must have, all of them."""
    when: Annotated[When | None, BeforeValidator(written_when, json_schema_input_type=When)] = None
    """Which pushes call for the job; the others skip it."""
    retry: Annotated[Retry | None, Given, BeforeValidator(written_retry, json_schema_input_type=Tries | Retry)] = None
    """How often a failed job is tried again: a number, or {max: 2, on: [3, timeout]} for some causes alone."""
    allow_failure: Annotated[Allowed | None, Given] = None
    """true, or exit codes: such a failure is shown and holds up neither the jobs behind it nor the release."""


class Job(Surroundings):
    """One named job of the test stage."""

    script: Script
    """One command or several. They run as one script with `sh -ec`; the first that fails ends it."""
    needs: Needs = ()
    """Jobs that have to pass before this one starts."""
    matrix: Matrix = Field(default_factory=dict)
    """Variables with several values each: the job runs once with each combination."""
    parallel: Annotated[
        Parallel | None, Given, BeforeValidator(written_parallel, json_schema_input_type=Shards | Parallel)
    ] = None
    """Runs the job so many times side by side; FARM_SHARD (from 1) and FARM_SHARDS tell each its part."""


def _job(value: object) -> object:
    if value is None:
        raise wrong("the job says nothing", "give a command")
    return value if isinstance(value, dict) else {"script": value}


Jobs = Annotated[
    dict[JobName, Annotated[Job, BeforeValidator(_job, json_schema_input_type=Script | Job)]],
    Field(min_length=1, max_length=100),
]


Templates = Annotated[dict[TemplateName, Job], Field(max_length=100)]


class Test(Surroundings):
    """The test stage: a script in the image that was built, or several jobs side by side."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["script", "jobs"]}})

    script: Annotated[Script | None, Given] = None
    """One command or several. They run as one script with `sh -ec`; the first that fails ends it."""
    matrix: Matrix = Field(default_factory=dict)
    """Variables with several values each: the script runs once with each combination."""
    parallel: Annotated[
        Parallel | None, Given, BeforeValidator(written_parallel, json_schema_input_type=Shards | Parallel)
    ] = None
    """Runs the script so many times side by side; FARM_SHARD (from 1) and FARM_SHARDS tell each its part."""
    jobs: Jobs = Field(default_factory=dict)
    """Several jobs by name, instead of one script."""

    def resolve(self) -> dict[str, models.Job]:
        """Return the jobs that the farm runs, each behind those that it needs."""
        if self.script is not None:
            alone = Job.model_construct(script=self.script, matrix=self.matrix, parallel=self.parallel)
            return {word or "test": job for word, job in self._variants(alone, ())}
        made: dict[str, dict[str, models.Job]] = {}
        for name in TopologicalSorter({name: job.needs for name, job in self.jobs.items()}).static_order():
            job = self.jobs[name]
            needs = tuple(variant for need in job.needs for variant in made[need])
            made[name] = {f"{name}.{word}" if word else name: one for word, one in self._variants(job, needs)}
        return {name: job for group in made.values() for name, job in group.items()}

    def _variants(self, job: Job, needs: tuple[str, ...]) -> Iterator[tuple[str, models.Job]]:
        image, reports, services = job.image or self.image, job.reports or self.reports, self.services | job.services
        retry, when = job.retry or self.retry, job.when or self.when
        artifacts = job.artifacts or self.artifacts
        allow = self.allow_failure if job.allow_failure is None else job.allow_failure
        services = ordered(services, {name: service.needs for name, service in services.items()})
        for word, values in variants(job.matrix, job.parallel.shards if job.parallel else None):
            yield (
                word,
                models.Job(
                    script=job.script,
                    image=fill(image, values) if image else None,
                    env=self.env | job.env | values,
                    secrets=tuple(dict.fromkeys((*self.secrets, *job.secrets))),
                    services={name: service.resolve(values) for name, service in services.items()},
                    junit=reports.junit if reports else (),
                    coverage=reports.coverage if reports else (),
                    artifacts=artifacts.resolve() if artifacts else None,
                    timeout=job.timeout or self.timeout or TIMEOUT,
                    memory=job.memory or self.memory,
                    network=job.network or self.network or "own",
                    checkout=job.checkout or self.checkout,
                    needs=needs,
                    runs_on=tuple(sorted(job.runs_on or self.runs_on)),
                    when=when.resolve() if when else models.When(),
                    fixed=tuple(job.matrix),
                    split=job.parallel.split if job.parallel else None,
                    retry=retry.resolve() if retry else models.Retry(),
                    allow_failure=allow if allow is not None else False,
                ),
            )


class Nothing(Test):
    """`test: none`: on purpose nothing is tested."""

    def resolve(self) -> dict[str, models.Job]:
        """Return no job."""
        return {}


def written_test(value: object) -> object:
    """Take the short forms: a command, a list of commands, or `none`."""
    if value is None:
        raise wrong("test says nothing", "give a command, or `none` if nothing is to be tested on purpose")
    if value == "none":
        return Nothing()
    return value if isinstance(value, dict) else {"script": value}
