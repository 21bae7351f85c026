"""A resolved pipeline as a tree of lines, for `farm run --dry-run`. It asks nobody and starts nothing."""

from collections.abc import Iterator, Mapping, Sequence

from farm.definition import Definition, Hook, Job, Service
from farm.durations import duration
from farm.pipeline import job_name
from farm.plain import plain

Branch = tuple[str, "Sequence[Branch]"]  # a line and what hangs below it
_LINES = 6  # lines of a script that are shown
_WIDE = 100


def tree(definition: Definition, image: str, steps: Sequence[str], release: str) -> Iterator[str]:
    """Give the lines: build, each of the jobs with all that stands around it, release."""
    branches: list[Branch] = [("build", list(_build(definition, image)))] if "build" in steps else []
    tests = [(step, definition.jobs[job_name(step)]) for step in steps if step != "build"]
    if not definition.jobs:
        branches.append(("test", [("nothing is tested", [])]))
    elif [step for step, _ in tests] == ["test"]:
        branches.append(("test", list(_job(tests[0][1]))))
    elif tests:
        branches.append(("test", [(job_name(step), list(_job(job))) for step, job in tests]))
    after = [(f"after: {name}", list(_hook(hook))) for name, hook in definition.release.after.items()]
    branches.append(("release", [(release, []), *after]))
    if definition.timeout:
        branches.append((f"timeout: {duration(definition.timeout)} for all of it", []))
    yield from _drawn(branches, "")


def _drawn(branches: Sequence[Branch], before: str) -> Iterator[str]:
    for index, (line, below) in enumerate(branches):
        last = index == len(branches) - 1
        yield f"{before}{'└─ ' if last else '├─ '}{line}"
        yield from _drawn(below, before + ("   " if last else "│  "))


def _build(definition: Definition, image: str) -> Iterator[Branch]:
    build = definition.build
    yield f"image: {image}", []
    yield f"dockerfile: {plain(build.dockerfile)} in {plain(build.context)}", []
    if definition.source:
        yield f"source: with {' and '.join(definition.source)}", []
    if build.target:
        yield f"target: {plain(build.target)}", []
    yield from _values("args", build.args)
    yield from _secrets(build.secrets)
    yield from _values("labels", build.labels)
    if build.tags:
        yield f"tags: {', '.join(build.tags)}, only on a farm", []
    if build.cache != ():
        yield f"cache: {', '.join(map(plain, build.cache)) if build.cache else 'none'}", []


def _job(job: Job) -> Iterator[Branch]:
    if job.needs:
        yield f"needs: {', '.join(job.needs)}", []
    yield f"image: {plain(job.image) if job.image else 'the one that was built'}", []
    yield from _values("env", job.env)
    yield from _secrets(job.secrets)
    if job.services:
        shared = ", on localhost too" if job.network == "shared" else ""
        yield f"services{shared}", [(name, list(_service(service))) for name, service in job.services.items()]
    if job.checkout:
        yield f"checkout: {plain(job.checkout)}", []
    yield from _script(job.script)
    yield from _left(job)
    if job.memory:
        yield f"memory: {job.memory >> 20} MiB", []
    yield f"timeout: {duration(job.timeout)}", []
    if job.runs_on:
        yield f"runs_on: {', '.join(job.runs_on)}", []
    if when := list(_when(job)):
        yield "when", when
    if job.split:
        yield f"split: {plain(job.split)}", []
    if job.retry.max:
        causes = f" on {', '.join(map(str, job.retry.on))}" if job.retry.on else ""
        yield f"retry: {job.retry.max}{causes}", []
    if job.allow_failure:
        codes = job.allow_failure if isinstance(job.allow_failure, tuple) else ()
        yield f"allow_failure: {_codes(codes) if codes else 'any'}", []


def _left(job: Job) -> Iterator[Branch]:
    if job.junit or job.coverage:
        yield f"reports: {', '.join(map(plain, (*job.junit, *job.coverage)))}", []
    if kept := job.artifacts:
        days = f"{kept.expire / 86400:g} days"
        yield f"artifacts: {', '.join(map(plain, kept.paths))} ({kept.when}), kept for {days}", []


def _when(job: Job) -> Iterator[Branch]:
    when = job.when
    for name, values in (("branches", when.branches), ("tags", when.tags), ("paths", when.paths)):
        if values:
            yield f"{name}: {', '.join(map(plain, values))}", []
    for variable, values in when.variables.items():
        yield f"{variable}={plain(' or '.join(values))}", []


def _codes(codes: Sequence[int]) -> str:
    return f"exit code {' or '.join(map(str, codes))}"


def _hook(hook: Hook) -> Iterator[Branch]:
    if hook.url:
        yield f"url: {plain(hook.url)}", []
    else:
        yield from _script(hook.script)
    yield from _values("env", hook.env)
    yield from _secrets(hook.secrets)
    yield f"timeout: {duration(hook.timeout)}", []


def _script(script: Sequence[str]) -> Iterator[Branch]:
    commands = [line for command in script for line in command.splitlines()]
    shown: list[Branch] = [(plain(line)[:_WIDE], []) for line in commands[:_LINES]]
    more: list[Branch] = [(f"and {len(commands) - _LINES} more lines", [])] if len(commands) > _LINES else []
    yield "script", [*shown, *more]


def _service(service: Service) -> Iterator[Branch]:
    yield f"image: {plain(service.image)}", []
    yield from _values("env", service.env)
    if service.needs:
        yield f"needs: {', '.join(service.needs)}", []
    if service.command:
        yield f"command: {plain(' '.join(service.command))}", []
    ready = service.ready
    if ready.command is not None or ready.port is not None:
        what = f"port {ready.port}" if ready.port is not None else plain(ready.command or "")
        yield f"ready: {what}, within {duration(service.timeout)}", []
    if service.tmpfs:
        yield f"tmpfs: {', '.join(map(plain, service.tmpfs))}", []
    if service.memory:
        yield f"memory: {service.memory >> 20} MiB", []


def _secrets(names: Sequence[str]) -> Iterator[Branch]:
    if names:
        yield f"secrets: {', '.join(names)}", []


def _values(name: str, values: Mapping[str, str]) -> Iterator[Branch]:
    if values:
        yield name, [(f"{key}={plain(value)[:_WIDE]}", []) for key, value in values.items()]
