"""A kept answer is good only while nothing that made it has changed."""

from pathlib import Path

from reconciler.specs.version import version_of


def test_any_change_of_the_code_that_reads_is_another_version(tmp_path: Path) -> None:
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "host.py").write_text("a = 1")
    seen = {version_of(tmp_path)}
    (tmp_path / "notes.txt").write_text("no code")
    assert version_of(tmp_path) in seen
    for path, text in (("kinds/host.py", "a = 2"), ("parse.py", ""), ("kinds/host.py", "a = 1")):
        (tmp_path / path).write_text(text)
        assert version_of(tmp_path) not in seen
        seen.add(version_of(tmp_path))
