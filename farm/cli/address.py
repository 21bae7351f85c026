"""ADDRESS:PORT as a person gives it."""

from farm.errors import Refused


def address_of(text: str) -> tuple[str, int]:
    """Return host and port; an IPv6 address stands in brackets. Raises Refused."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the last port there is
        raise Refused(f"{text!r} is no ADDRESS:PORT to listen on; give one such as 127.0.0.1:8440 with --listen")
    return host.strip("[]"), int(port)
