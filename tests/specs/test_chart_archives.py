"""Archives of charts: what `helm package` and tar write is opened, everything else is refused before it does harm."""

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.specs.chart_archives import BLOCK, MOST_FILES, NotOpened, packed, unpacked

PLENTY = 1024 * 1024
CHART = b"apiVersion: v2\nname: sub\nversion: 1.0.0\n"


def tar(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as opened:
        for entry, content in entries:
            entry.size = len(content)
            opened.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", records: Mapping[str, str] = MappingProxyType({})
) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.pax_headers = kind, link, dict(records)
    return made


def archive(files: Mapping[str, bytes], behind: bytes = b"") -> bytes:
    """An archive of a chart with these files more. `behind`: what stands after the end that the format marks."""
    content = {"Chart.yaml": CHART, **files}
    return gzip.compress(tar(*((entry(f"sub/{path}"), body) for path, body in content.items())) + behind)


def zipped(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    return gzip.compress(tar((entry("sub/Chart.yaml"), CHART), *entries, form=form))


LONG = f"sub/templates/{'n' * 90}/{'m' * 90}.yaml"
LONGER = f"sub/templates/{'n' * 200}.yaml"
OPENED = {
    "folders": zipped((entry("sub/templates", tarfile.DIRTYPE), b""), (entry("sub/templates/a"), b"a")),
    "as tar of a folder writes it": gzip.compress(
        tar((entry("./sub/Chart.yaml"), CHART), (entry("./sub/templates/a"), b"a"))
    ),
    "a long name": zipped((entry(LONG), b"a")),
    "a longer name, and times": zipped((entry(LONGER, records={"mtime": "1.5"}), b"a"), form=tarfile.PAX_FORMAT),
    "a file as large as a block": zipped((entry("sub/a"), b"a" * BLOCK)),
}


@pytest.mark.parametrize("content", OPENED.values(), ids=OPENED)
def test_what_is_usual_is_opened(content: bytes) -> None:
    found = unpacked(content, PLENTY)
    assert found["Chart.yaml"] == CHART
    (other,) = (body for path, body in found.items() if path != "Chart.yaml")
    assert set(other) == {ord("a")}
    assert unpacked(packed(found), PLENTY) == found
    assert packed(found) == packed(dict(reversed(found.items())))


WHOLE = archive({})
REFUSED = {
    "no gzip": (b"PK\3\4", "no gzip file"),
    "no tar": (gzip.compress(b"x" * 2000), "damaged"),
    "another mode than its sum": (gzip.compress(gzip.decompress(WHOLE).replace(b"0000644", b"0000777", 1)), "damaged"),
    "nothing": (gzip.compress(b""), "not one folder with a Chart.yaml"),
    "cut off": (WHOLE[:-9], "cut off"),
    "two": (WHOLE + WHOLE, "something stands behind"),
    "cut within": (gzip.compress(gzip.decompress(archive({"a": b"a" * 20_000}))[:4000]), "cut off"),
    "a bomb": (gzip.compress(b"\0" * (PLENTY + 1)), "unpacks to more than"),
    "a bomb of bombs": (archive({"a": b"\0" * PLENTY}), "unpacks to more than"),
    "too many": (archive({f"f{number}": b"" for number in range(MOST_FILES)}), "more than 2000 files"),
    "a link": (zipped((entry("sub/a", tarfile.SYMTYPE, link="/etc/passwd"), b"")), "a link or something else"),
    "a hard link": (zipped((entry("sub/a", tarfile.LNKTYPE, link="sub/Chart.yaml"), b"")), "a link or something else"),
    "a device": (zipped((entry("sub/a", tarfile.CHRTYPE), b"")), "a link or something else"),
    "a GNU name": (zipped((entry(LONGER), b"a"), form=tarfile.GNU_FORMAT), "a link or something else"),
    "a way out": (zipped((entry("sub/../../a"), b"")), "no file in a chart's folder"),
    "the root": (zipped((entry("/a"), b"")), "no file in a chart's folder"),
    "a way out in a record": (
        zipped((entry("sub/a", records={"path": "sub/../a"}), b""), form=tarfile.PAX_FORMAT),
        "no file in",
    ),
    "another system's way": (zipped((entry("sub/a\\..\\b"), b"")), "no file in a chart's folder"),
    "no folder": (zipped((entry("a"), b"")), "no file in a chart's folder"),
    "two folders": (zipped((entry("other/a"), b"")), "not one folder"),
    "twice": (zipped((entry("sub/Chart.yaml"), b"name: other")), "twice"),
    "a size in a record": (
        zipped((entry("sub/a", records={"size": "9"}), b""), form=tarfile.PAX_FORMAT),
        "in a way that is not",
    ),
    "holes": (
        zipped((entry("sub/a", records={"GNU.sparse.major": "1"}), b""), form=tarfile.PAX_FORMAT),
        "in a way that is not opened",
    ),
    "no chart": (gzip.compress(tar((entry("sub/a"), b""))), "not one folder with a Chart.yaml"),
}


@pytest.mark.parametrize(("content", "why"), REFUSED.values(), ids=REFUSED)
def test_t24_what_would_do_harm_or_is_read_in_two_ways_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(NotOpened) as refused:
        unpacked(content, PLENTY)
    assert why in str(refused.value)


def test_t24_no_more_is_unpacked_than_may_be() -> None:
    bomb = gzip.compress(b"\0" * 64 * PLENTY)
    tracemalloc.start()
    try:
        with pytest.raises(NotOpened):
            unpacked(bomb, PLENTY)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * PLENTY


@given(at=st.integers(0, 5 * BLOCK - 1), byte=st.integers(0, 255))
def test_a_damaged_archive_is_refused_or_says_files(at: int, byte: int) -> None:
    """One byte of it is another one."""
    plain = bytearray(
        gzip.decompress(zipped((entry("sub/a", records={"mtime": "1.5"}), b"a" * 600), form=tarfile.PAX_FORMAT))
    )
    plain[at] = byte
    try:
        found = unpacked(gzip.compress(bytes(plain)), PLENTY)
    except NotOpened:
        return
    assert all(".." not in path.split("/") for path in found)
