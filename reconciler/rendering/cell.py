"""The limited child that becomes the tool: no network, no environment, no home, and little of everything else.

Started as a program of its own (`python -I -S cell.py MODE ROOT TOOL ARGUMENT...`), so that nothing of the parent is in
it. Sealed, it sees no file but those under ROOT and is nobody there; the tool has to be a static program for that. Open
is for others: it works in ROOT and sees what its user sees. Says on its first line of stderr whether it has no network.

Numbers of Linux: https://man7.org/linux/man-pages/man2/unshare.2.html, prctl.2.
"""

import ctypes
import os
import resource
import signal
import sys

SEALED, OPEN = "sealed", "open"
CUT_OFF, CONNECTED = b"no network\n", b"a network\n"
NEW_NETWORK, NEW_USER = 0x40000000, 0x10000000
NO_NEW_PRIVILEGES, DEATH_SIGNAL = 38, 1
NOBODY = 65534
SECONDS = 10  # of processor time
MEMORY = 2 * 1024 * 1024 * 1024  # bytes of address space; a Go program reserves far more than it uses
FILES = 64


def main(mode: str, root: str, tool: str, *arguments: str) -> None:
    """Give up what is not needed, then become the tool. Returns never, or raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    program = os.open(tool, os.O_RDONLY | os.O_CLOEXEC)
    was_root = os.geteuid() == 0
    alone = (was_root and libc.unshare(NEW_NETWORK) == 0) or libc.unshare(NEW_USER | NEW_NETWORK) == 0
    if mode == SEALED:
        os.chroot(root)
        os.chdir("/")
        if was_root:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    else:
        os.chdir(root)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    for what, most in (
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),  # what it says goes into a pipe; it writes no file
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    os.write(2, CUT_OFF if alone else CONNECTED)
    name = os.path.basename(tool)
    os.execve(program if mode == SEALED else tool, [name, *arguments], {})  # noqa: S606  that no shell is there is meant


if __name__ == "__main__":
    main(*sys.argv[1:])
