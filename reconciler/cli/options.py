"""The options of every verb, and what they open: a reading, a desk, the reconciler itself.

Knows the app's doors and imports them only when asked. One value for one run of the program.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import typer

from reconciler.cli import show
from reconciler.cli.edge import Edge

if TYPE_CHECKING:
    from reconciler.app.settings import Settings
    from reconciler.app.wiring import Assembly
    from reconciler.doors.people import Desk
    from reconciler.doors.reading import Reading, Where


@dataclass(slots=True)
class Options:
    """What was typed before or after the verb, for all verbs alike."""

    config: Path | None = None
    repository: str = ""
    branch: str = ""
    login: str = ""
    key: Path | None = None
    timings: bool = False
    locale: str = ""
    edge: Edge = field(default_factory=Edge)
    spent: list[tuple[str, float]] = field(default_factory=list)
    begun: float = field(default_factory=perf_counter)

    def where(self) -> "Where":
        """The repository as it was named."""
        from reconciler.doors.reading import Where

        return Where(self.config, self.repository, self.branch, self.key)

    def reading(self) -> "Reading":
        """Look at the repository; who signed its audit is told where a person watches."""
        with self.timed("loading the program"):
            from reconciler.doors.reading import read, settings_of
        settings = settings_of(self.where())
        self.speak(settings.locale)
        with self.timed("reading the repository"), show.progress("reading the repository"):
            return read(settings)

    def desk(self, reading: "Reading") -> "Desk":
        """The person's desk. Raises Refused where no key is named."""
        from reconciler.errors import Refused

        if self.key is None:
            raise Refused(
                "signing this: no key is named",
                key="permission_denied",
                hint="name your SSH key with --key FILE, or in RECONCILER_KEY",
            )
        desk = reading.desk(self.login, self.key)
        if not desk.login:
            raise Refused(
                f"signing this: {self.key} is the key of no User on {reading.settings.branch}",
                key="permission_denied",
                hint="name your login with --as LOGIN, and add the key to your User spec",
            )
        return desk

    def me(self, reading: "Reading") -> str:
        """The login of whoever asks: as named, or as the key says."""
        return self.login or (reading.login_of(self.key) if self.key is not None else "")

    def operator(self) -> "Settings":
        """The reconciler's own settings."""
        with self.timed("loading the program"):
            from reconciler.doors.reading import operator_settings
        settings = operator_settings(self.where())
        self.speak(settings.locale)
        return settings

    @contextmanager
    def assembly(self) -> Iterator["Assembly"]:
        """Everything, with the reconciler's keys; for verbs of its own machine."""
        settings = self.operator()
        with self.timed("loading the program"):
            from reconciler.app.wiring import assemble
        opened = assemble(settings)
        try:
            with self.timed("reading the repository"), show.progress("reading the repository"):
                opened.catch_up()
            yield opened
        finally:
            opened.close()

    def speak(self, locale: str) -> None:
        """The language of errors: as typed, else as reconciler.toml says."""
        self.edge.locale = self.locale or locale or "en"

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note how long something took, for --timings."""
        begun = perf_counter()
        try:
            yield
        finally:
            self.spent.append((what, perf_counter() - begun))

    def tell_timings(self) -> None:
        """Where time went, on stderr."""
        total = perf_counter() - self.begun
        rest = total - sum(seconds for _, seconds in self.spent)
        for what, seconds in (*self.spent, ("everything else", rest), ("together", total)):
            sys.stderr.write(f"{seconds * 1000:9.1f} ms  {what}\n")


def of(ctx: typer.Context) -> Options:
    """The options of this run."""
    found = ctx.obj
    assert isinstance(found, Options)  # noqa: S101  the root callback put it there
    return found
