"""A process that serves the repositories below a folder over HTTP on loopback, until its input ends."""

import sys
from pathlib import Path

from tests.git.world import http_backend, serving


def main() -> None:
    """Print the address, then serve."""
    with serving(http_backend(Path(sys.argv[1]))) as requests:
        print(requests.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
