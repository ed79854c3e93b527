"""Which mirror is taken from the apt sources; addresses here are made up."""

from pathlib import Path

import pytest

from tests.servers.debian import mirror

RELEASE = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
OTHER_RELEASE = RELEASE.replace("debian", "other")

STANZAS = """\
Types: deb
# a comment: with a colon
URIs: http://mirror.invalid/security
Suites: bookworm-security
Components: main

Types: deb-src
URIs: http://mirror.invalid/sources
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: http://mirror.invalid/off
Suites: bookworm
Components: main

Types: deb deb-src
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main contrib
"""

LINES = """\
# deb http://mirror.invalid/commented bookworm main
deb-src http://mirror.invalid/sources bookworm main
deb http://mirror.invalid/tools stable main
deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://mirror.invalid/debian bookworm main # ours
"""


@pytest.mark.parametrize(
    ("release", "file", "sources", "expected"),
    [
        (RELEASE, "sources.list.d/debian.sources", STANZAS, "http://mirror.invalid/debian"),
        (RELEASE, "sources.list", LINES, "http://mirror.invalid/debian"),
        (RELEASE, "sources.list.d/more.list", LINES, "http://mirror.invalid/debian"),
        (RELEASE, "sources.list", "", None),
        (OTHER_RELEASE, "sources.list", LINES, None),
    ],
)
def test_the_mirror_is_the_source_of_the_machines_own_release(
    tmp_path: Path, release: str, file: str, sources: str, expected: str | None
) -> None:
    (tmp_path / "os-release").write_text(release)
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "apt" / file).write_text(sources)
    assert mirror(tmp_path) == expected
