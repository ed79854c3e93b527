"""A terminal in a test: what somebody types, and what they see."""

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import main


@dataclass(frozen=True, slots=True)
class Seen:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The answer for programs."""
        return json.loads(self.out)


@dataclass(slots=True)
class Terminal:
    """Types commands in one process, each from a clean slate of settings; state lies in a folder of its own."""

    folder: Path
    patch: pytest.MonkeyPatch
    defaults: tuple[str, ...] = ()
    columns: int = 100

    def _sit_down(self) -> None:
        for name in [name for name in os.environ if name.startswith("RECONCILER_")]:
            self.patch.delenv(name)
        self.patch.setenv("XDG_CACHE_HOME", str(self.folder / "cache"))
        self.patch.setenv("HOME", str(self.folder / "home"))
        self.patch.setenv("COLUMNS", str(self.columns))

    def type(self, *words: str, given: str = "") -> Seen:
        """Run one command line."""
        self._sit_down()
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), _stdin(given), pytest.raises(SystemExit) as ended:
            main([*self.defaults, *words])
        code = ended.value.code
        return Seen(code if isinstance(code, int) else 0 if code is None else 1, out.getvalue(), err.getvalue())

    def well(self, *words: str, given: str = "") -> Seen:
        """The same, and it has to end well."""
        seen = self.type(*words, given=given)
        assert seen.code == 0, f"{words}: {seen}"
        return seen


@contextmanager
def _stdin(text: str) -> Iterator[None]:
    before, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = before
