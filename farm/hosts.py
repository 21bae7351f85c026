"""Addresses as they are written, and whether one is this machine's alone. It looks nothing up."""

import ipaddress


def host_of(address: str) -> str:
    """Return the host of `host:port`, `[::1]:port`, or a host alone."""
    if address.startswith("["):
        return address.removeprefix("[").partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def fixed(host: str) -> bool:
    """Return whether nobody can have a host lead elsewhere: an address, or this machine's own name for itself."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def here(host: str) -> bool:
    """Return whether a host can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
