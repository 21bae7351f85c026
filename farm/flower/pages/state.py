"""How one pipeline stands, as the part of its page that is put in anew when something changed."""

from markupsafe import Markup

from farm.flower.pages.parts import jobs_of
from farm.flower.site import Site, render
from farm.pipeline import Pipeline


def state(found: Pipeline, waiting: str | None, site: Site, now: float) -> Markup:
    """Return who pushed what, the verdict, the stages and the failing tests."""
    failing = [(job, job.result["tests"]) for job in jobs_of(found) if (job.result.get("tests") or {}).get("failing")]
    return render(
        "state.html", site=site, pipeline=found, waiting=waiting, failing=failing, run_line=_run_line(found), now=now
    )


def _run_line(found: Pipeline) -> str | None:
    if not found.image:
        return None
    image = f"{found.image.partition('@')[0]}:{found.released[0]}" if found.released else found.image
    return f"docker run -d -P {image}"
