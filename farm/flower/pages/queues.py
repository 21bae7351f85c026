"""The page of queues: what waits where, who serves it, how long things took lately."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from markupsafe import Markup

from farm.flower import plots
from farm.flower.queues import held, host_rows, queue_rows, worker_rows
from farm.flower.site import Page, Site, render
from farm.flower.words import span as in_words
from farm.record import SPANS, Record, Slot, Span, Times

# The busiest so many queues have plots.
PLOTTED = 12


@dataclass(frozen=True, slots=True)
class Throughput:
    """One queue over a span of time, in plots and in the figures that they are read by."""

    name: str
    finished: int
    waited: tuple[float, float]  # median, 95th percentile, s
    ran: tuple[float, float]
    plots: Sequence[tuple[str, str, Markup]]  # title, scale, plot


def queues(record: Record, site: Site, span: str = "hour") -> Page:
    """Return the page of queues, with plots of the last hour, day or week."""
    chosen: Span = span if span in SPANS else "hour"  # type: ignore[assignment] # one of them
    rows = queue_rows(record)
    workers = worker_rows(record)
    loads = record.load([row.name for row in rows], chosen)
    through = [_throughput(name, slots, chosen) for name, slots in loads.items()]
    through = sorted((each for each in through if each.finished), key=lambda each: -each.finished)
    body = render(
        "queues.html",
        site=site,
        title="Queues",
        queues=rows,
        # An empty queue of labels that nobody has is no harm: a branch may have misspelt them once.
        unserved=[row for row in rows if not row.consumers and (row.depth or not row.labels)],
        held=held(record, workers),
        hosts=host_rows(workers),
        span=chosen,
        spans=list(SPANS),
        throughput=through[:PLOTTED],
        more=len(through) - PLOTTED,
    )
    return Page("Queues", "queues", body)


def _throughput(name: str, slots: Sequence[Slot], span: Span) -> Throughput:
    waited, ran = (reduce(add, part, Times({})) for part in ([s.waited for s in slots], [s.ran for s in slots]))
    finished = sum(slot.finished for slot in slots)
    minutes = SPANS[span][0] / 60
    rates = [slot.finished / minutes for slot in slots]
    before = f"{name}, last {span}"
    drawn = [
        ("Finished a minute", f"up to {max(rates, default=0):.3g}", plots.bars(rates, f"{before}: {finished} finished"))
    ]
    for title, times, all_ in (("Waited", [s.waited for s in slots], waited), ("Ran", [s.ran for s in slots], ran)):
        pairs = [_pair(each) for each in times]
        far = max((high for _, high in filter(None, pairs)), default=0.0)
        median, most = _pair(all_) or (0.0, 0.0)
        words = f"{before}: {title.lower()} {in_words(median)} at the median, 95 of 100 at most {in_words(most)}"
        drawn.append((title, f"up to {in_words(far)}", plots.spreads(pairs, words)))
    return Throughput(name, finished, _pair(waited) or (0.0, 0.0), _pair(ran) or (0.0, 0.0), drawn)


def _pair(times: Times) -> tuple[float, float] | None:
    median, far = times.quantile(0.5), times.quantile(0.95)
    return None if median is None or far is None else (median, far)
