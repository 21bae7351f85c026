"""What only the whole definition can tell: who needs whom, how many jobs a matrix makes, what fills an image.

It looks at the data as written and passes over what has no proper shape; that is the models' to tell.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from farm.definition import order
from farm.definition.finding import Finding
from farm.definition.hints import nearest
from farm.definition.matrix import MOST, fill, places
from farm.definition.names import is_image
from farm.definition.templates import is_template, reserved
from farm.definition.testing import Test
from farm.definition.tree import Loc
from farm.definition.values import mapping, shown, written

Written = Mapping[str, Any]
Jobs = dict[Loc, Written]
_OF_A_HOOK = ("FARM_RELEASE", "FARM_TAGS")  # what only the farm can set there
_OF_A_SHARD = ("FARM_SHARD", "FARM_SHARDS", "FARM_SHARD_FILES")
_WILD = frozenset("*?[")
_TELLING = ("branch", "tag", "short_sha", "number")  # what differs from branch to branch
_TAG_HINT = "put {branch} into it, or name one branch"


def check(data: Any) -> Iterator[Finding]:
    """Give each contradiction: where it stands, what it is, and the way out."""
    release = mapping(mapping(data).get("release"))
    yield from _release(release)
    yield from _hooks(mapping(release.get("after")))
    yield from _build_tags(mapping(mapping(data).get("build")), mapping(data).get("release"))
    test = mapping(data).get("test")
    if not isinstance(test, dict):
        return
    named: Jobs = {("test", "jobs", name): mapping(job) for name, job in mapping(test.get("jobs")).items()}
    jobs: Jobs = named if "jobs" in test else {("test",): test}
    yield from _form(test)
    yield from _needs(mapping(test.get("jobs")))
    yield from _service_needs(jobs, test)
    yield from _count(jobs)
    yield from _network(jobs, test)
    for loc, job in jobs.items():
        yield from _matrix(loc, job, test)
        if "parallel" in job:
            yield from _taken(_OF_A_SHARD, {("test",): test, loc: job})
    shared: Jobs = {("test",): test}
    for loc, holder in (shared | named).items():
        for name, service in mapping(holder.get("services")).items():
            if {"command", "port"} <= mapping(mapping(service).get("ready")).keys():
                message, hint = (
                    "a service is ready by a command or by a port, not both",
                    "keep the command; it knows more",
                )
                yield Finding((*loc, "services", name, "ready"), message, hint)


def _release(release: Written) -> Iterator[Finding]:
    branches = _several(release.get("branches", ()))
    if len(branches) < 2 and not any(_WILD & set(str(branch)) for branch in branches):  # noqa: PLR2004
        return
    if "tags" not in release:
        message = "several branches would move `latest`, but a tag belongs to one"
        yield Finding(("release", "branches"), message, _TAG_HINT, "file")
    for index, tag in enumerate(_several(release.get("tags", ()))):
        if is_template(tag) and not any(f"{{{field}}}" in tag for field in _TELLING):
            message = f"several branches would move `{shown(tag)}`, but a tag belongs to one"
            yield Finding(("release", "tags", index), message, _TAG_HINT)


def _hooks(hooks: Written) -> Iterator[Finding]:
    for name, hook in hooks.items():
        loc, keys = ("release", "after", name), mapping(hook).keys()
        yield from _taken(_OF_A_HOOK, {loc: mapping(hook)})
        if isinstance(hook, dict) and not {"script", "url"} & keys:
            yield Finding(loc, 'the key "script" is missing', "or url, for a call", "file")
        elif {"script", "url"} <= keys:
            yield Finding(loc, "a hook has a script or a url, not both", "write two hooks")
        elif "url" in keys:
            for key in ("env", "secrets"):
                if key in keys:
                    hint = f"a URL gets what was released as JSON; remove {key}"
                    yield Finding((*loc, key), f"{key} is for a script", hint)


def _taken(names: Sequence[str], holders: Jobs) -> Iterator[Finding]:
    """Give each variable to which the farm gives another value than the one that is written."""
    for loc, holder in holders.items():
        for key in ("env", "matrix"):
            for name in names:
                if name in mapping(holder.get(key)):
                    yield Finding((*loc, key, name), f"the farm sets {name} itself", "choose another name")


def _build_tags(build: Written, release: Any) -> Iterator[Finding]:
    released = () if release == "none" else _several(mapping(release).get("tags", ()))
    for index, tag in enumerate(_several(build.get("tags", ()))):
        at = ("build", "tags", index)
        if isinstance(tag, str) and reserved(tag):
            owner = "a release's alone" if tag == "latest" else "the farm's own"
            yield Finding(at, f"the tag `{shown(tag)}` is {owner}", "choose another, such as dev-{branch}")
        elif is_template(tag) and tag in released:
            message = f"the release moves `{shown(tag)}` too, after every test has passed"
            yield Finding(at, message, "take one of them away")


def _form(test: Written) -> Iterator[Finding]:
    if "jobs" in test:
        for key in ("script", "matrix", "parallel"):
            if key in test:
                yield Finding(("test", key), f"{key} cannot stand beside jobs", "put it into one of them")
    elif "script" not in test:
        slips = [key for key in test if key not in Test.model_fields and nearest(key, Test.model_fields)]
        if not any(nearest(key, Test.model_fields) in ("script", "jobs") for key in slips):
            yield Finding(("test",), 'the key "script" is missing', "or jobs, for several", "job")


def _needs(jobs: Written) -> Iterator[Finding]:
    needs = {name: _several(mapping(job).get("needs", ())) for name, job in jobs.items()}
    yield from order.check("job", needs, lambda name: ("test", "jobs", name))


def _service_needs(jobs: Jobs, test: Written) -> Iterator[Finding]:
    """Look at the services as each job has them, its own and the shared ones; what is shared is told once."""
    told: set[tuple[Loc, str]] = set()
    shared = mapping(test.get("services"))
    for loc, job in jobs.items():
        own = mapping(job.get("services"))
        needs = {name: _several(mapping(each).get("needs", ())) for name, each in (*shared.items(), *own.items())}

        def place(name: str, loc: Loc = loc, own: Written = own) -> Loc:
            return (*(loc if name in own else ("test",)), "services", name)

        for finding in order.check("service", needs, place):
            if finding[:2] not in told:
                told.add(finding[:2])
                yield finding


def _network(jobs: Jobs, test: Written) -> Iterator[Finding]:
    """Give each network that is shared with no service at all."""
    holders: Jobs = {("test",): test} | ({} if "services" in test else jobs)
    for loc, holder in holders.items():
        beside = jobs.values() if loc == ("test",) else (holder,)
        if holder.get("network") == "shared" and not any("services" in each for each in (test, *beside)):
            hint = "name services, or remove the key"
            yield Finding((*loc, "network"), "the network is shared with services, and there are none", hint, "job")


def _count(jobs: Jobs) -> Iterator[Finding]:
    total = 0
    for loc, job in jobs.items():
        parallel = job.get("parallel")
        shards = parallel.get("shards") if isinstance(parallel, dict) else parallel
        count = shards if isinstance(shards, int) else 1
        for values in mapping(job.get("matrix")).values():
            count *= len(values) if isinstance(values, tuple) else 1
        total += count
        if total > MOST:
            many = [key for key in ("matrix", "parallel") if key in job]
            message, hint = f"these are {total} jobs, more than {MOST}", "take away values of a matrix, or shards"
            yield Finding((*loc, *many[:1]), message, hint)
            return


def _matrix(loc: Loc, job: Written, test: Written) -> Iterator[Finding]:
    matrix = mapping(job.get("matrix"))
    for name in matrix:
        if name in mapping(job.get("env")):
            message = f'the variable "{shown(name)}" stands in env too'
            yield Finding((*loc, "matrix", name), message, "remove one of them")
    for at, image in (_images(("test",), test) | _images(loc, job)).values():
        for place in places(image):
            if place not in matrix:
                message = f"{{{shown(place)}}} is no variable of the matrix of {_title(loc)}"
                yield Finding(at, message, partial(_variable, place, matrix), "job")
                continue
            for index, value in enumerate(_several(matrix[place])):
                filled = fill(image, {place: written(value)})
                if not is_image(fill(filled, dict.fromkeys(places(filled), "x"))):
                    message = f'"{shown(filled)}" is no image'
                    yield Finding((*loc, "matrix", place, index), message, "choose another value")


def _variable(place: str, matrix: Written) -> str:
    close = nearest(place, matrix)
    return f"did you mean {{{close}}}?" if close else "name its values under matrix"


def _images(loc: Loc, holder: Written) -> dict[Loc, tuple[Loc, str]]:
    """Return the images of a job by what they are for, each with its place."""
    found: dict[Loc, tuple[Loc, Any]] = {("image",): ((*loc, "image"), holder.get("image"))}
    for name, service in mapping(holder.get("services")).items():
        image = service if isinstance(service, str) else mapping(service).get("image")
        found["services", name] = ((*loc, "services", name, "image"), image)
    return {what: (at, image) for what, (at, image) in found.items() if isinstance(image, str)}


def _title(loc: Loc) -> str:
    return f'the job "{shown(loc[-1])}"' if len(loc) > 1 else "this job"


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
