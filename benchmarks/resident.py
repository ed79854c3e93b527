"""A process that holds a repository's specs as a reconciler does, and says what memory it has: `python -m
benchmarks.resident ORIGIN FOLDER` prints JSON. It is a process of its own, so that nothing else is in the figure.
"""

import gc
import json
import sys
from pathlib import Path

from reconciler.app.desire import Desires
from reconciler.bundle.folder import FolderBundles
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.git.transport import Transport
from reconciler.names import Revision
from reconciler.specs.cache import SqliteCache


def status(process: str = "self") -> dict[str, int]:
    """Resident memory now and at most, KiB (proc(5))."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return {name: int(found[name].split()[0]) for name in ("VmRSS", "VmHWM")}


def main() -> None:
    """Hold every revision that follows, one after the other."""
    origin, folder, *revisions = sys.argv[1:]
    transport = Transport(Path(folder) / "git-home")
    mirror = Mirror(Path(folder) / "mirror", Remote(origin), transport)
    start = status()
    mirror.sync()
    desires = Desires(mirror, SqliteCache(Path(folder) / "specs.sqlite"), FolderBundles((), ()), b"k" * 32)
    seen = []
    for revision in revisions:
        desires.at(Revision(revision))
        gc.collect()
        seen.append(status())
    print(json.dumps({"start": start, "sides": seen}))


if __name__ == "__main__":
    main()
