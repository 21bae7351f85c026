#!/usr/bin/env python3
"""Runs a program that never hears of changes in the machine's networks: `DEAF=/usr/bin/chromium deaf.py ARGUMENT...`.

Chromium drops whatever it loads when an interface appears (net::ERR_NETWORK_CHANGED), and the tests beside it make
networks all the time. The kernel tells of them by netlink; without such a socket Chromium takes the network as it is.
The filter is for Linux on x86-64 and ARM64; elsewhere the program runs as ever.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_SOCKET = {"x86_64": 41, "aarch64": 198}.get(platform.machine())  # the number of the system call
_AF_NETLINK = 16
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF: load a word, jump if equal, return
_NUMBER, _FIRST_ARGUMENT = 0, 16  # where struct seccomp_data has them (seccomp(2))
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def main() -> None:
    """Be the program."""
    if _SOCKET is not None:
        _refuse_netlink(_SOCKET)
    program = os.environ["DEAF"]
    os.execv(program, [program, *sys.argv[1:]])


def _refuse_netlink(socket: int) -> None:
    instructions = (
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, 3, socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, _AF_NETLINK),
        (_RETURN, 0, 0, _ERROR | errno.EAFNOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    )
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    program = _Program(len(instructions), code)
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*call):
            raise OSError(ctypes.get_errno(), "the kernel takes no seccomp filter")


if __name__ == "__main__":
    main()
