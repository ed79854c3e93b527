"""Asks the listed registries what some tags stand for: each distinct image once, a few at a time, within a bound.

Knows which hosts are listed and who is asked as whom. Rules: a host that is not listed is never contacted, whatever
names it; a registry that was found away is not asked for the rest; whoever drips its answer ends nothing but its own.
"""

import ssl
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Final

import httpx

from reconciler.errors import ReconcilerError, Refused, Unavailable
from reconciler.registries.challenge import Challenge
from reconciler.registries.line import AGAIN, PATIENCE, Line
from reconciler.registries.source import Password, RegistrySource
from reconciler.specs.image_reference import ImageReference

AT_ONCE: Final = 4  # requests to one registry
LONGEST: Final = 60.0  # seconds for everything that is asked at once


class HttpRegistries:
    """The registries of reconciler.toml, by the host that images name."""

    def __init__(self, sources: Mapping[str, RegistrySource], password: Password, longest: float = LONGEST) -> None:
        self._sources = sources
        self._password = password
        self._longest = longest
        self._challenges: dict[str, Challenge] = {}  # so that a registry at rest costs one request for each image

    def hosts(self) -> frozenset[str]:
        """Those that may be asked."""
        return frozenset(self._sources)

    def digests(self, images: Collection[ImageReference]) -> Mapping[ImageReference, str | ReconcilerError]:
        """What each of them stands for, or why nobody knows; those of registries that are not listed are left out."""
        hosts = sorted({image.host for image in images} & self.hosts())
        if not hosts:
            return {}
        until = time.monotonic() + self._longest
        with ThreadPoolExecutor(max_workers=len(hosts), thread_name_prefix="registries") as pool:
            wanted = (sorted({image for image in images if image.host == host}) for host in hosts)
            answers = list(pool.map(self._of, hosts, wanted, repeat(until)))
        return {image: answer for one in answers for image, answer in one.items()}

    def check(self, host: str) -> None:
        """Whether a listed registry answers and takes who we are. Raises as `Line.digest`."""
        with self._line(host) as line:
            line.check()

    def _of(
        self, host: str, images: Sequence[ImageReference], until: float
    ) -> Mapping[ImageReference, str | ReconcilerError]:
        first, *others = images
        try:
            with self._line(host) as line:
                answers = self._at_once(line, [first], until)  # alone: what it wants to see is learned once
                if isinstance(answers[first], Unavailable):
                    return dict.fromkeys(images, answers[first])
                return {**answers, **self._at_once(line, others, until)}
        except ReconcilerError as error:
            return dict.fromkeys(images, error)

    @staticmethod
    def _at_once(
        line: Line, images: Sequence[ImageReference], until: float
    ) -> Mapping[ImageReference, str | ReconcilerError]:
        if not images:
            return {}
        pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="registry")
        asked: dict[ImageReference, Future[str | ReconcilerError]] = {
            image: pool.submit(_asked, line, image) for image in images
        }
        wait(asked.values(), max(0.0, until - time.monotonic()))
        pool.shutdown(wait=False, cancel_futures=True)
        late = Unavailable(f"asking registry {line.source.host}: not all was answered in time", hint=AGAIN)
        return {image: job.result() if job.done() and not job.cancelled() else late for image, job in asked.items()}

    @contextmanager
    def _line(self, host: str) -> Iterator[Line]:
        source = self._sources[host]
        password = self._password(source) if source.has_credential else None
        realms = frozenset({source.url, *source.realms, *(one.url for one in self._sources.values())})
        with httpx.Client(verify=_trusted(source), follow_redirects=False, trust_env=False, timeout=PATIENCE) as client:
            line = Line(source, client, password, realms, self._challenges.get(host))
            try:
                yield line
            finally:
                self._learn(host, line.challenge)

    def _learn(self, host: str, challenge: Challenge | None) -> None:
        if challenge is not None:
            self._challenges[host] = challenge
        else:
            self._challenges.pop(host, None)


def _asked(line: Line, image: ImageReference) -> str | ReconcilerError:
    try:
        return line.digest(image)
    except ReconcilerError as error:
        return error


def _trusted(source: RegistrySource) -> ssl.SSLContext:
    try:
        return _context(source.ca_file, _written(source.ca_file))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        words = f"asking registry {source.host}: its CA file {source.ca_file} cannot be used: {type(error).__name__}"
        raise Refused(words, key="certificate_invalid", hint="correct `ca_file` in reconciler.toml") from None


def _written(file: Path | None) -> tuple[int, int, int] | None:
    """What tells a file that was written again: a renewed one is read without a restart."""
    if file is None:
        return None
    found = file.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


@lru_cache(maxsize=64)
def _context(ca_file: Path | None, _as_written: tuple[int, int, int] | None) -> ssl.SSLContext:
    """Read once while it stays: the system's certificates take a tenth of a second."""
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
