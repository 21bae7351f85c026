"""`farm ...`: the command line. It reaches the stages only through the dispatcher or as a subprocess.

A command's module is imported when the command runs, and not for `farm --help`: start-up is most of what a reading
command costs.
"""

from importlib import metadata
from typing import Annotated

import typer

from farm.cli.group import LazyGroup, Place


class Commands(LazyGroup):
    """The commands of `farm`, in the order of the help."""

    places = {  # noqa: RUF012 - a table, never changed
        "up": Place("farm.cli.up", "up", "Run everything on this machine; `--stop` ends it."),
        "hook": Place("farm.cli.hook", "hook_app", "Install, remove or check the hook of a bare repository."),
        "register": Place("farm.cli.register", "register", "Register a repository without a hook, such as on a forge."),
        "forget": Place("farm.cli.forget", "forget", "Register a repository no more."),
        "lint": Place("farm.cli.lint", "lint", "Check a .farm.yml without a server."),
        "run": Place("farm.cli.run", "run", "Build and test what is checked out here; needs no server."),
        "replay": Place("farm.cli.replay", "replay", "Run a failed job of a pipeline again here, in its very image."),
        "import": Place("farm.cli.import_", "import_", "Write the .farm.yml that a .gitlab-ci.yml amounts to."),
        "list": Place("farm.cli.pipelines", "list_", "List the pipelines of this branch, newest first."),
        "show": Place("farm.cli.pipelines", "show", "Show one pipeline: stages, failing tests, image."),
        "watch": Place("farm.cli.watch", "watch", "Follow a pipeline to its end; the exit code is its result."),
        "logs": Place("farm.cli.output", "logs", "Print the logs of a pipeline, `-f` follows them."),
        "trigger": Place("farm.cli.trigger", "trigger", "Start a pipeline by hand, without a push."),
        "schedules": Place("farm.cli.schedules", "schedules", "List what begins by the clock, and when."),
        "cancel": Place("farm.cli.pipelines", "cancel", "Cancel a pipeline."),
        "artifacts": Place("farm.cli.artifacts", "artifacts", "List or download the files that jobs have left."),
        "retry": Place("farm.cli.pipelines", "retry", "Try a finished pipeline again, or only what failed."),
        "approve": Place("farm.cli.pipelines", "approve", "Let a pull request from a fork run."),
        "releases": Place("farm.cli.releases", "releases", "Show what the tags are and were, by whom."),
        "rollback": Place("farm.cli.releases", "rollback", "Point a tag back to what it was before."),
        "gc": Place("farm.cli.releases", "gc", "Remove from the registry the images that nobody needs."),
        "secret": Place("farm.cli.secret", "secret_app", "Set, list and remove the secrets of a repository."),
        "sync": Place("farm.cli.sync", "sync", "Look now for pushes that nobody reported."),
        "token": Place("farm.cli.token", "token_app", "Make, list or end tokens with scopes for the API."),
        "join": Place("farm.cli.join", "join", "Make this machine a build machine of a farm."),
        "web": Place("farm.cli.web", "web", "Serve the pages without Flower."),
        "doctor": Place("farm.cli.doctor", "doctor", "Check everything that the farm needs, with what mends it."),
        "config": Place("farm.cli.config", "config_app", "Check farm.yml, or show which settings hold and from where."),
        "notify": Place(
            "farm.cli.notify", "notify_app", "Try Slack, e-mail, webhooks: `test` sends a message by each."
        ),
        "workers": Place("farm.cli.workers", "workers_app", "List the workers; `drain` keeps one from more work."),
        "queues": Place("farm.cli.workers", "queues", "List the queues: what waits, and who takes it."),
        "worker": Place("farm.cli.worker", "worker", "Run a worker on this machine."),
        "dispatcher": Place(
            "farm.cli.dispatcher", "dispatcher", "Run the dispatcher: the API and the loops beside it."
        ),
    }


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"farm {metadata.version('farm')}")
        raise typer.Exit


@app.callback()
def farm(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Git push, and a tested image comes out: the farm's command line.

    Exit codes: 0 done, or the pipeline passed; 1 it failed; 2 refused or used wrongly; 3 it ended errored, which is the
    farm's fault; 4 canceled; 5 skipped or superseded; 6 the farm does not answer.
    """
