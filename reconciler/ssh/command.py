"""Command lines for a host's shell.

Knows quoting and nothing else. The rule (threats T15, T18): what runs on a host is one fixed line; every value, secret
or not, travels on stdin.
"""

import shlex
from typing import Final

READ_PROGRAM: Final = 'IFS= read -r -N "$1" RUNNER && eval "$RUNNER"'
SUDO: Final = ("sudo", "-n", "--")


def line(argv: tuple[str, ...]) -> str:
    """The words as one line that a POSIX shell reads as exactly these words. Raises ValueError on a NUL."""
    if any("\0" in word for word in argv):
        raise ValueError("a command line cannot carry a NUL")
    return shlex.join(argv)


def program_line(size: int, *, become: bool) -> str:
    """Run the bash program of so many bytes that comes first on stdin; the rest of stdin is its own."""
    words = ("env", "LC_ALL=C", "bash", "-c", READ_PROGRAM, "opspilot", str(size))
    return line((*SUDO, *words) if become else words)
