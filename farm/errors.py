"""The ways in which something ends badly, by whose fault it is; what to do about it is the caller's decision.

Every message is one clear sentence that a person reads and that says what to do next.
"""


def why(error: OSError) -> str:
    """Return what the system says went wrong, as it stands within a sentence."""
    return (error.strerror or str(error)).lower()


class FarmError(Exception):
    """The base of all errors that the farm raises itself."""


class Failed(FarmError):
    """The pushed code's fault: a build that breaks, a test that fails. The step ends `failed`; nobody tries again."""


class Errored(FarmError):
    """The farm's own fault: an engine, a registry or a network. It is tried again, then ends `errored`."""


class Refused(FarmError):
    """A request that cannot be granted: bad input, an unknown name, a wrong moment. Nothing was changed."""


class Unreachable(FarmError):
    """A part that does not answer at all (dispatcher, Redis). Nothing is known about what it did with the request."""


class LeaseLost(FarmError):
    """This worker no longer owns its step: drop the work, commit nothing, start no outside effect."""


class Canceled(LeaseLost):
    """A person canceled the pipeline while this worker was at it, or a newer push superseded it."""
