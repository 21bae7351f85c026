"""Finds what was lost and puts it right: steps without an owner, tags that drifted from the record. It decides nothing.

Each function is the work of one loop and returns after how many seconds it wants to be called again.
"""

from typing import Literal

import structlog

from farm import broker
from farm.dispatch import Publish
from farm.errors import Errored, Refused
from farm.ledger import Ledger
from farm.record import Intent, Record
from farm.registry import Registry

REAP_MOST = 1.0  # seconds between two calls of the reaper at most; a quarter of a short lease if that is less
LOOK = 1.0  # seconds between two looks for tags that are due
DRIFT = 3.5  # seconds after which a tag is read again, for a write let loose late is put right within five
A_TAG = 0.02  # seconds that reading one tag may take of the whole, so that many tags are read less often
YOUNG = 60.0  # seconds for which every tag is read often after it was moved
LOST = 600.0  # seconds after which it is looked again for an image that is gone from the registry
STILL_ONES = 50  # tags that only ever had one digest: so many at most in one look, so that the others do not wait
FORGET = 600.0  # seconds between two rounds of forgetting

log = structlog.get_logger()


def reap(record: Record, ledger: Ledger, publish: Publish = broker.publish) -> float:
    """Send again the steps whose worker was lost or whose message nobody heard."""
    for wake in record.reap():
        try:
            push = ledger.push(wake.number)
        except Refused:
            continue  # forgotten meanwhile
        publish(wake.number, broker.unforked(wake.steps), broker.title(push.repository, push.ref, push.new))
        log.info("step.sent_again", pipeline=wake.number, step=wake.steps[0].name)
    return min(REAP_MOST, record.lease / 4)


def settle_tags(record: Record, registry: Registry) -> float:
    """Read the tags that are due and point those back that are not what the record says.

    What a tag once was a frozen worker may still write, so a tag that has moved is read every few seconds for ever.
    Those that only ever had one digest, such as one for each commit, are read less often the more of them there are.
    One that the registry will not tell of holds up no other; raises Errored for it at the end.
    """
    due = record.intents(due=True)
    moving = [intent for intent in due if intent.moves > 1 or intent.age < YOUNG]
    still = [intent for intent in due if intent not in moving][:STILL_ONES]
    often, seldom = max(DRIFT, A_TAG * len(moving)), max(DRIFT, A_TAG * record.tag_count())
    wrong: Errored | None = None
    for intent in (*moving, *still):
        try:
            settle(record, registry, intent, often if intent in moving else seldom)
        except Errored as error:
            wrong = wrong or error
    if wrong is not None:
        raise Errored(f"tags of the registry cannot be compared with the record: {wrong}") from wrong
    return LOOK


def settle(record: Record, registry: Registry, intent: Intent, again_in: float) -> None:
    """Make one tag what the record says it shall be; raises Errored when the registry is away."""
    current: Intent | None = intent
    while current:
        found = _point(record, registry, current)
        lost = found == "lost"
        if record.checked(current, LOST if lost else again_in, held=not lost) or found != "moved":
            return
        current = _newest(record, current)  # a release came between: what was just written may be the older digest


def forget(record: Record, *, days: float, keep: int) -> float:
    """Delete finished pipelines that are older than so many days or beyond the newest `keep`."""
    if gone := record.forget(days=days, keep=keep):
        log.info("pipelines.forgotten", count=gone)
    return FORGET


def _point(record: Record, registry: Registry, intent: Intent) -> Literal["right", "moved", "lost"]:
    found = registry.digest(intent.repository, intent.tag)
    if found == intent.digest:
        return "right"
    manifest = registry.manifest(intent.repository, intent.digest)
    words = {"image": intent.repository, "tag": intent.tag, "found": found, "wanted": intent.digest}
    name = f"{intent.repository}:{intent.tag}"
    if manifest is None:
        sentence = f"the image of {name} (#{intent.number}) is gone from the registry; `farm retry {intent.number}`"
        if record.drifted(intent, f"{sentence} builds it again", lost=True):
            log.warning("tag.lost", **words, hint="the image is gone from the registry; push again to build it again")
        return "lost"
    newest = _newest(record, intent)
    if newest is None or newest.fence != intent.fence:  # it was read from the record a moment ago
        return "right"
    registry.put(intent.repository, intent.tag, manifest)
    if intent.confirmed:  # else the worker that began the release did not come to its end
        log.warning("tag.drifted", **words)
        was = f"was {found} in the registry" if found else "was gone from the registry"
        record.drifted(intent, f"{name} {was} and is #{intent.number} again")
    return "moved"


def _newest(record: Record, intent: Intent) -> Intent | None:
    same = (intent.repository, intent.tag)
    return next((other for other in record.intents() if (other.repository, other.tag) == same), None)
