"""Charts that stand in `charts/` as archives: opened in memory, and packed again from nothing but what was looked at.

Knows gzip and the part of tar that `helm package` writes. Rules: what is opened is bounded before it is opened; only
plain files under one folder are taken, each once; anything else (a link, a device, a way out, a format that is seldom
seen) is refused, not skipped. The tool never reads the archive itself: it gets another one, made of what was checked
here, so that no two readers of one archive can disagree. The standard library's reader is not used: on a hostile
header some of its versions take for ever (CVE-2024-6232, CVE-2025-8194).
tar: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06
"""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

MOST_FILES: Final = 2000  # of one archive
BLOCK: Final = 512  # bytes
FILE, FOLDER, NAMED = (b"0", b"\0"), b"5", b"x"  # kinds of entries; the last one says the name of the next
SUFFIX: Final = ".tgz"  # Helm opens no other
_GZIP: Final = 31  # zlib's wbits of a gzip stream
_OCTAL: Final = re.compile(rb"[0-7]{1,11}[\0 ]*", re.ASCII)
_RECORD: Final = re.compile(rb"([0-9]{1,6}) ([A-Za-z.]{1,64})=")
_STEP: Final = re.compile(r"(?!\.\.?$)[^/\\\x00-\x1f]{1,255}")


class NotOpened(ValueError):
    """Why an archive is not opened, in words."""


def unpacked(content: bytes, most: int) -> dict[str, bytes]:
    """The files of a chart's archive by their path in the chart, at most so many bytes. Raises NotOpened."""
    files: dict[str, bytes] = {}
    roots = set()
    for name, body in _files(_decompressed(content, most)):
        root, *steps = name.removeprefix("./").split("/")
        if not steps or not all(map(_STEP.fullmatch, (root, *steps))):
            raise NotOpened(f"it holds {name[:80]!r}, which is no file in a chart's folder")
        path = "/".join(steps)
        if path in files:
            raise NotOpened(f"it holds {name[:80]!r} twice")
        roots.add(root)
        files[path] = body
        if len(files) > MOST_FILES:
            raise NotOpened(f"it holds more than {MOST_FILES} files")
    if len(roots) != 1 or "Chart.yaml" not in files:
        raise NotOpened("it is not one folder with a Chart.yaml in it")
    return files


def packed(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files and of nothing else."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(f"chart/{path}")
            entry.size = len(files[path])
            archive.addfile(entry, io.BytesIO(files[path]))
    return gzip.compress(made.getvalue(), 1, mtime=0)


def _decompressed(content: bytes, most: int) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    try:
        tar = stream.decompress(content, most + 1)
    except zlib.error:
        raise NotOpened("it is no gzip file") from None
    if len(tar) > most:
        raise NotOpened(f"it unpacks to more than is left of {most // 1024:,} KiB")
    if not stream.eof or stream.unused_data:
        raise NotOpened("it is cut off, or something stands behind it")
    return tar


def _files(tar: bytes) -> Iterator[tuple[str, bytes]]:
    at, named = 0, b""
    while header := tar[at : at + BLOCK].strip(b"\0"):
        header = tar[at : at + BLOCK]
        if len(header) < BLOCK or _sum(header) != _number(header[148:156]):
            raise NotOpened("it is damaged")
        size = _number(header[124:136])
        body = tar[at + BLOCK : at + BLOCK + size]
        if len(body) < size:
            raise NotOpened("it is cut off")
        kind = header[156:157]
        if kind == NAMED:
            named = _path_in(body)
        elif kind in FILE:
            yield _text(named or _name(header)), body
            named = b""
        elif kind == FOLDER:
            named = b""
        else:
            raise NotOpened(
                f"it holds {_text(_name(header))[:80]!r}, which is a link or something else that is no file"
            )
        at += BLOCK + size + -size % BLOCK


def _sum(header: bytes) -> int:
    return sum(header) - sum(header[148:156]) + 8 * ord(" ")


def _number(field: bytes) -> int:
    found = _OCTAL.fullmatch(field.lstrip(b" "))
    if found is None:
        raise NotOpened("it is damaged")
    return int(field.strip(b"\0 "), 8)


def _name(header: bytes) -> bytes:
    name, prefix = (header[begin:end].split(b"\0", 1)[0] for begin, end in ((0, 100), (345, 500)))
    return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name


def _path_in(records: bytes) -> bytes:
    """The path that pax records give the next entry; empty where they give none. A size is not theirs to say."""
    found, at = b"", 0
    while at < len(records):
        record = _RECORD.match(records, at)
        end = at + int(record[1]) if record is not None else 0
        if record is None or not record.end() < end <= len(records) or records[end - 1 : end] != b"\n":
            raise NotOpened("it is damaged")
        if record[2] == b"size" or record[2].startswith(b"GNU"):
            raise NotOpened("it is packed in a way that is not opened")
        if record[2] == b"path":
            found = records[record.end() : end - 1]
        at = end
    return found


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise NotOpened("it holds a file whose name is no text") from None
