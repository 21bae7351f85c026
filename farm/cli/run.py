"""`farm run`: the same pipeline on this machine, from the clone in front of the person. It needs no farm.

The stages are those of the workers; they run in a subprocess, because the command line never touches a container.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from farm import applying, decision, variables
from farm.cli.arguments import who
from farm.cli.beside import Committed, Folder, folders
from farm.cli.clone import Clone, clone
from farm.cli.given import given
from farm.cli.local import local
from farm.cli.picture import tree
from farm.definition import Definition, DefinitionError, parse
from farm.errors import Failed, Refused
from farm.pipeline import job_name
from farm.push import ZERO, Push
from farm.settings import Settings
from farm.trial import Trial


def run(
    what: Annotated[
        str | None, typer.Argument(metavar="[STAGE|JOB]", help="build, test, or a job such as unit. Default: all.")
    ] = None,
    *,
    dirty: Annotated[
        bool, typer.Option("--dirty", help="The files as they are now, not those of HEAD; ignored ones never.")
    ] = False,
    shell: Annotated[
        bool, typer.Option("--shell", help="Where a job fails, open a shell beside its services.")
    ] = False,
    artifacts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to put what the jobs leave to be kept.")
    ] = None,
    release: Annotated[bool, typer.Option("--release", help="Push the image if all passes; needs --registry.")] = False,
    registry: Annotated[str | None, typer.Option(help="Where --release pushes, such as registry.example.")] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME=FOLDER", help="Where a repository is whose files are included."),
    ] = None,
    secret: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="A secret's value; without it the environment's.")
    ] = None,
    var: Annotated[
        list[str] | None,
        typer.Option("--var", metavar="NAME=VALUE", help="A variable for the jobs, as git push -o farm.var gives it."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Only print the names of the steps.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would run, as a tree.")] = False,
) -> None:
    """Build and test on this machine what is checked out here, as the farm would. The image stays on this machine.

    Exit codes: 0 passed, 1 failed, 2 refused, 3 the engine or git is at fault, 130 interrupted.
    """
    found = clone(Path.cwd())
    definition = _definition(found, folders(with_ or ()), dirty=dirty)
    definition, left = _called_for(found, definition, var or (), everything=what is None)
    steps = [step for step in chosen(definition, what) if job_name(step) not in left]
    image = definition.image or decision.image_name(found.repository)
    tags, remark = _tags(found, definition)
    if left and len(left) == len(definition.jobs):
        remark = "no job of `test` is for this branch, so nothing was tested"
    if list_:
        for step in steps:
            typer.echo(step)
        return
    if dry_run:
        typer.echo(_headline(found, dirty=dirty))
        for line in tree(definition, image, steps, remark or f"{', '.join(tags)} (only with --release)"):
            typer.echo(line)
        return
    if release:
        _may_release(registry, remark, partial=what is not None, dirty=dirty)
    typer.echo(_headline(found, dirty=dirty))
    trial = Trial(
        repository=found.repository,
        url=str(found.top),
        folder=str(found.top),
        dirty=dirty,
        commit=found.commit.id if found.commit else "",
        ref=found.ref,
        subject=found.commit.subject if found.commit else "",
        who=who(),
        definition=definition,
        image_repository=image,
        steps=tuple(steps),
        shell=shell,
        secrets=dict(given(definition, steps, secret or ())),
        artifacts=str(artifacts.absolute()) if artifacts else None,
        registry=registry,
        tags=tags if release else (),
    )
    raise typer.Exit(local(trial))


def chosen(definition: Definition, what: str | None) -> Sequence[str]:
    """Return the names of the steps that a stage, a job or nothing stands for; every job comes after the build."""
    names = [step.name for step in decision.steps(definition, release=False)]
    if what in (None, "all"):
        return names
    if what == "build":
        return ["build"]
    if what == "release":
        raise Refused("`farm run --release --registry HOST` releases; without it nothing leaves this machine")
    tests = [name for name in names if name != "build"]
    if what != "test":
        job = job_name(str(what))
        tests = [name for name in tests if (own := job_name(name)) == job or own.startswith(f"{job}.")]
    if not tests:
        known = ", ".join(job_name(name) for name in names)
        raise Refused(f'there is no stage or job "{what}"; there is {known}')
    return ["build", *tests]


def _called_for(
    found: Clone, definition: Definition, var: Sequence[str], *, everything: bool
) -> tuple[Definition, Mapping[str, str]]:
    """Give the jobs their variables, and return those that a push of this branch would leave out.

    What has changed since a job passed only the farm knows, and a job that is named runs whatever its `when` says.
    """
    try:
        brought = variables.variables([f"{variables.OPTION}={each}" for each in var])
        definition = variables.applied(definition, brought)
    except Failed as error:
        raise Refused(str(error).replace(f"git push -o {variables.OPTION}=", "--var ", 1)) from None
    if not everything:
        return definition, {}
    push = Push(id="local", repository=found.repository, ref=found.ref, old=ZERO, new=ZERO)
    left = applying.left_out(definition, push, lambda *_: None)
    for name, reason in left.items():
        typer.echo(f"farm: {name} is left out: it {reason}", err=True)
    return definition, left


def _definition(found: Clone, others: Mapping[str, Path], *, dirty: bool) -> Definition:
    if found.commit is None and not dirty:
        raise Refused("this repository has no commit yet; commit, or try the files as they are: farm run --dirty")
    text = found.text(decision.FILE, dirty=dirty)
    if text is None:
        there = not dirty and (found.top / decision.FILE).exists()
        why = f"{decision.FILE} is not committed (--dirty takes it)" if there else f"there is no {decision.FILE}"
        typer.echo(f"{why}: the image is built, and nothing is tested", err=True)
        return Definition()
    try:
        return parse(text, decision.FILE, Folder(found.top, others) if dirty else Committed(found, others))
    except DefinitionError as error:
        raise Refused(f"the definition has mistakes:\n{error}\nsee them in place: farm lint") from None


def _tags(found: Clone, definition: Definition) -> tuple[tuple[str, ...], str | None]:
    """Return the tags that a push of this would release, or why none; {number} is the farm's alone."""
    if found.commit is None:
        return (), "there is no commit yet"
    push = Push(id="local", repository=found.repository, ref=found.ref, old=ZERO, new=found.commit.id)
    kept = tuple(tag for tag in definition.release.tags if "{number}" not in tag)
    numbered = definition.release.tags != kept
    here = definition.model_copy(update={"release": definition.release.model_copy(update={"tags": kept})})
    if numbered and not kept:
        return (), "every tag of `release` has {number}, which only the farm gives"
    date = time.strftime("%Y-%m-%d", time.gmtime())
    return decision.releases(push, 0, found.commit, here, protected=True, date=date)


def _may_release(registry: str | None, remark: str | None, *, partial: bool, dirty: bool) -> None:
    if registry is None:
        raise Refused(
            "--release needs a registry to push to: --registry registry.example; without it nothing is pushed"
        )
    if registry == Settings.load().registry:
        raise Refused(f"the tags of {registry} are the farm's; push to the repository, and the farm releases there")
    if partial:
        raise Refused("only what passed as a whole is released; leave the stage or job away")
    if dirty:
        raise Refused("only a commit is released; commit, and leave --dirty away")
    if remark:
        raise Refused(f"nothing would be released: {remark}")


def _headline(found: Clone, *, dirty: bool) -> str:
    branch = found.ref.removeprefix("refs/heads/")
    commit = f' {found.commit.id[:7]} "{found.commit.subject}"' if found.commit else ""
    return f"farm: {found.repository} {branch}{commit}" + (" with uncommitted changes" if dirty else "")
