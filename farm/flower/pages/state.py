"""How one pipeline stands, as the part of its page that is put in anew when something changed."""

from markupsafe import Markup

from farm.flower.estimate import Usual, usual
from farm.flower.results import KINDS, results
from farm.flower.site import Site, render
from farm.pipeline import Pipeline, Status
from farm.record import Record

# A pipeline that was skipped or superseded would only be so again.
_AGAIN = (Status.FAILED, Status.ERRORED, Status.CANCELED, Status.PASSED)


def state(record: Record, found: Pipeline, waiting: str | None, site: Site, now: float) -> Markup:
    """Return who pushed what, the verdict, the stages, and what the tests said."""
    return render(
        "state.html",
        site=site,
        pipeline=found,
        waiting=waiting,
        results=results(found.jobs),
        kinds=KINDS,
        run_line=_run_line(found),
        usual=usual(record, found) if found.status is Status.RUNNING else Usual(),
        retry=site.may_act and found.status in _AGAIN,
        some_failed=bool(found.stages) and found.status in (Status.FAILED, Status.ERRORED),
        now=now,
    )


def _run_line(found: Pipeline) -> str | None:
    if not found.image:
        return None
    if found.released:
        return f"docker run --rm -P --pull always {found.image.partition('@')[0]}:{found.released[0]}"
    return f"docker run --rm -P {found.image}"
