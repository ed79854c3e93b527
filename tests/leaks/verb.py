"""`python -m tests.leaks.verb FILE WORD...`: a verb as the console script runs it, in a process that is watched.

What it started, with which environment, and what it wrote and took away again, is left in FILE.
"""

import sys
from pathlib import Path

from reconciler.cli.main import main
from tests.leaks.watch import watching

if __name__ == "__main__":
    with watching() as seen:
        try:
            main(sys.argv[2:])
        finally:
            kept = [*seen.arguments, *seen.environments, *(content for _, content in seen.removed)]
            Path(sys.argv[1]).write_bytes(b"\n".join(kept))
