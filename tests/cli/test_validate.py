"""`validate`: folders as if they were committed, repositories, and what CI reads."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.doors.specs import _folder
from reconciler.sandbox.world import example_folder
from tests.cli.terminal import Terminal

ENVIRONMENT = """\
apiVersion: opspilot.spec/v1
kind: Environment
metadata: {name: dev}
spec: {tier: dev, runtimeType: k8s, mode: external_managed}
"""
WRONG = ENVIRONMENT.replace("tier: dev", "tier: nowhere")


def git(folder: Path, *words: str) -> str:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *words], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree with one commit."""
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "dev.yaml").write_text(ENVIRONMENT)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_the_example_is_valid(terminal: Terminal, tmp_path: Path) -> None:
    shutil.copytree(example_folder(), tmp_path / "example")
    seen = terminal.well("validate", str(tmp_path / "example"))
    assert seen.out == ""
    assert "problems: 0" in seen.err


def test_a_problem_has_file_line_and_column_and_exit_1(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(WRONG)
    seen = terminal.type("validate", str(tmp_path))
    assert seen.code == 1
    assert seen.out.startswith("x.yaml:4:14: validation_error: ")


def test_programs_get_json_and_ci_gets_annotations(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(WRONG)
    found = terminal.type("validate", str(tmp_path), "-o", "json").json
    assert (found["valid"], found["specs"]) == (False, 0)
    assert set(found["problems"][0]) == {"path", "line", "column", "key", "message", "hint"}
    told = terminal.type("validate", str(tmp_path), "-o", "github")
    assert told.code == 1
    assert told.out.startswith("::error file=x.yaml,line=4,col=14,title=validation_error::")


def test_a_folder_without_specs_is_no_silent_success(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no spec" in terminal.well("validate", str(tmp_path / "empty")).err


def test_a_path_that_is_no_folder_is_not_valid(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.type("validate", str(tmp_path / "nowhere")).code == 2


def test_a_revision_is_read_and_not_the_work_tree(terminal: Terminal, tree: Path) -> None:
    (tree / "dev.yaml").write_text(WRONG)
    assert terminal.type("validate", str(tree)).code == 1
    terminal.well("validate", str(tree), "--rev", "main")
    assert terminal.type("validate", str(tree), "--rev", "nothing").code == 2


def test_a_bare_repository_is_read_at_its_head(terminal: Terminal, tree: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(tree), "bare.git")
    assert "specs: 1," in terminal.well("validate", str(tmp_path / "bare.git")).err


def test_what_git_ignores_is_not_read_at_the_root_of_a_work_tree(terminal: Terminal, tree: Path) -> None:
    (tree / "cache").mkdir()
    (tree / "cache" / "wrong.yaml").write_text(WRONG)
    assert terminal.type("validate", str(tree)).code == 1
    (tree / ".gitignore").write_text("cache/\nwrong.yaml\n")
    terminal.well("validate", str(tree))
    # a folder inside that is asked for by itself is read, ignored or not
    assert terminal.type("validate", str(tree / "cache")).code == 1


def test_links_are_refused_and_not_followed(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "specs"
    folder.mkdir()
    (tmp_path / "outside.yaml").write_text(ENVIRONMENT)
    (folder / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    seen = terminal.type("validate", str(folder))
    assert seen.code == 1
    assert "symbolic link" in seen.out


def test_a_folder_and_its_commit_are_the_same_blobs(tree: Path) -> None:
    (tree / "sub").mkdir()
    (tree / "sub" / "data.bin").write_bytes(bytes(range(256)) * 9000)
    git(tree, "add", ".")
    listed = {line.split()[3]: line.split()[1] for line in git(tree, "ls-files", "-s").splitlines()}
    entries, read = _folder(tree)
    assert {entry.path: entry.blob for entry in entries} == listed
    found = next(entry for entry in entries if entry.path == "dev.yaml")
    assert read(found.blob) == ENVIRONMENT.encode()


def test_schemas_are_written_for_every_kind(terminal: Terminal, tmp_path: Path) -> None:
    terminal.well("schema", "export", str(tmp_path / "out"))
    committed = {path.name: path.read_text() for path in (Path(__file__).parents[2] / "schemas").glob("*.json")}
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == committed
