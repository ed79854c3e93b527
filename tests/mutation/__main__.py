"""Change the core one small thing at a time and see a test fail for each: `make mutation`, or

    python -m tests.mutation [--only TEXT]... [--fresh] [--new FILE]

A package's guards are held by the tests of its own folder (survivors.TESTS): these, and no others, may kill.

Ends with 1 when a mutant survives that survivors.toml does not list, or a listed one is killed or gone.
"""

import argparse
import ast
import hashlib
import importlib
import json
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.mutation.operators import Mutant, mutants
from tests.mutation.survivors import FILES, PACKAGES, ROOT, TESTS, listed, written
from tests.mutation.trial import Reach, Verdict, attempt, look

CACHE = ROOT / ".mutation"  # what killed which mutant, file by file


class Run:
    """A pytest session whose loop is the mutation run."""

    def __init__(self, files: list[str], *, fresh: bool) -> None:
        self.files = files
        self.known = {mutant.key for mutant in listed() if mutant.file in files}
        self.counted: Counter[Verdict] = Counter()
        self.survivors: list[Mutant] = []
        self.fresh = fresh
        self.seals: dict[str, str] = {}
        self.started = time.monotonic()

    def say(self, words: str) -> None:
        print(f"{time.monotonic() - self.started:6.0f}s {words}", flush=True)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        session.items.sort(key=lambda item: item.nodeid)
        self.say(f"looking at {len(session.items)} tests")
        reach = look(session.items, set(self.files), ROOT, self.say)
        for file in self.files:
            self._file(file, session.items, reach)
        return True

    def _file(self, file: str, items: list[pytest.Item], reach: Reach) -> None:
        module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        tree = ast.parse((ROOT / file).read_text())
        before = Counter(self.counted)
        cache = CACHE / f"{file.replace('/', '.')}.json"
        known: dict[str, list[str]] = {} if self.fresh or not cache.exists() else json.loads(cache.read_text())
        killed: dict[str, list[str]] = {}
        for mutant in mutants(file, tree):
            tests = [items[index] for index in reach.tests(mutant, tree, module)]
            name = json.dumps(mutant.key)
            killer, seal = known.get(name, ["", ""])
            if killer and seal == self._seal(file, killer):
                self.counted[Verdict.KILLED] += 1
                killed[name] = [killer, seal]
                continue
            tests.sort(key=lambda item: item.nodeid != killer)
            verdict, killer = attempt(module, tree, mutant, tests)
            self.counted[verdict] += 1
            if verdict is Verdict.KILLED and killer:
                killed[name] = [killer, self._seal(file, killer)]
            if verdict is Verdict.SURVIVED:
                self.survivors.append(mutant)
                if mutant.key not in self.known:
                    print(
                        f"SURVIVED {file} {mutant.function}\n    - {mutant.original}\n    + {mutant.mutated}",
                        flush=True,
                    )
        CACHE.mkdir(exist_ok=True)
        cache.write_text(json.dumps(killed))
        now = self.counted - before
        self.say(f"{file}: {now.total()} mutants, {', '.join(f'{count} {name}' for name, count in now.items())}")

    def _seal(self, file: str, killer: str) -> str:
        """What a cached verdict stands on: the file that was changed, and the test that saw it."""
        return hashlib.sha256(b"".join(self._content(name) for name in (file, killer.partition("::")[0]))).hexdigest()

    def _content(self, name: str) -> bytes:
        if name not in self.seals:
            self.seals[name] = hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
        return self.seals[name].encode()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--only", action="append", metavar="TEXT", help="files whose path contains it; more than once")
    parser.add_argument("--fresh", action="store_true", help="believe no verdict of an earlier run")
    parser.add_argument("--new", metavar="FILE", help="write survivors that are not listed, as entries to review")
    asked = parser.parse_args()
    files = [file for file in FILES if any(text in file for text in asked.only or [""])]
    run = Run(files, fresh=asked.fresh)
    tests = [
        str(ROOT / path) for name in PACKAGES if any(f"/{name}/" in file for file in files) for path in TESTS[name]
    ]
    plain = ["-q", "-s", "-o", "addopts=", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider"]
    code = pytest.main([*plain, "-m", "not real", *tests], plugins=[run])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        return int(code)
    survived = {mutant.key: mutant for mutant in run.survivors}
    unlisted = [mutant for key, mutant in survived.items() if key not in run.known]
    gone = sorted(run.known - survived.keys())
    for key in gone:
        print(f"LISTED, BUT KILLED OR GONE {key}")
    if asked.new:
        Path(asked.new).write_text(written(unlisted))
    equal = len({mutant.key for mutant in listed()} & survived.keys())
    counts = ", ".join(f"{run.counted[verdict]} {verdict}" for verdict in Verdict)
    run.say(f"{run.counted.total()} mutants: {counts} ({equal} equivalent)")
    return 1 if unlisted or gone else 0


if __name__ == "__main__":
    sys.exit(main())
