"""What holds of the whole tree: who may import whom, sizes, names, forbidden text, and that pins are what is declared.

Knows files as text and syntax trees, and no behaviour. Each rule about text is one row of a table. The import contracts
are shown to be able to fail: a planted import in a copy turns them red.
"""

import ast
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from reconciler import catalogue

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reconciler"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400  # lines: what one reads in one go
TOP_LEVEL = frozenset(
    {"pyproject.toml", "reconciler", "schemas", "example-desired-state", "script", "tests", "README.md", "LICENSE"}
    | {"CHANGELOG.md", "Makefile", "docs", "benchmarks"}
)
BANNED_WORDS = frozenset(
    {"util", "utils", "helper", "helpers", "common", "base", "misc", "manager", "processor", "service", "data", "info"}
    | {"impl", "abstract"}
)
THE_KIND = "specs/kinds/service.py"  # what is released; the only thing that may be called a service
TEXT = frozenset({".py", ".md", ".yaml", ".yml", ".toml", ".json", ".sh", ".tpl", ".txt", ".go", ".mod", ""})
# Joined here, so that this file does not hold what it looks for.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("npmjs", "org"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
    )
)
# Calls that take the error key at this place.
KEY_TAKERS = {
    ("reconciler.errors", "Problem"): 1,
    ("reconciler.plan.part", "error"): 1,
    ("reconciler.plan.part", "warning"): 1,
}


def modules() -> Iterator[tuple[str, str]]:
    for path in MODULES:
        yield path.relative_to(PACKAGE).as_posix(), path.read_text("utf-8")


def committed() -> Iterator[Path]:
    """Every text file of the tree but this one; what .gitignore names is not looked at."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line]
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [
            name for name in folders if name != ".git" and not any(fnmatch.fnmatch(name, one) for one in ignored)
        ]
        for name in files:
            path = Path(folder, name)
            if path != Path(__file__) and name != ".git" and (path.suffix in TEXT or folder.endswith(".ci")):
                yield path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_point_down_and_the_core_does_no_io() -> None:
    linted = lint_imports(ROOT)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "0 broken" in linted.stdout


@pytest.mark.parametrize(
    ("module", "planted", "broken"),
    [
        ("machine/rollout.py", "import time", "the core does no I/O and reads no clock BROKEN"),
        ("plan/make.py", "from reconciler.kube import client", "imports point down BROKEN"),
        ("cli/__init__.py", "import paramiko", "doors ask the app and know no adapter BROKEN"),
    ],
)
def test_a_planted_import_breaks_its_contract(tmp_path: Path, module: str, planted: str, broken: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "reconciler", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "reconciler" / module).open("a") as file:
        file.write(f"\n{planted}\n")
    linted = lint_imports(tmp_path)
    assert linted.returncode == 1
    assert broken in linted.stdout


def test_every_module_says_what_it_knows_and_is_short_enough_to_read() -> None:
    told = {name: ast.get_docstring(ast.parse(text)) for name, text in modules()}
    assert [name for name, docstring in told.items() if not docstring] == []
    assert {name: lines for name, text in modules() if (lines := text.count("\n")) > LONGEST} == {}


def test_names_of_modules_and_classes_say_what_they_hold() -> None:
    named = [(name, word) for name, _ in modules() for word in re.split(r"[/_.]", name)]
    for name, text in modules():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                named += [(f"{name}: {node.name}", word.lower()) for word in re.findall(r"[A-Z]+[a-z]*", node.name)]
    assert [name for name, word in named if word in BANNED_WORDS and not name.startswith(THE_KIND)] == []


@pytest.mark.parametrize(
    ("forbidden", "allowed_in"),
    [
        (r"shell=True", ()),
        (r"AutoAddPolicy", ()),
        (r"yaml\.(unsafe_)?load\(", ("catalogue/__init__.py",)),  # our own package data
        (r"\bextractall\b", ()),
        (r"\bload_kube_config\b", ()),
        (r"\bunittest(\.mock| import)\b", ()),
        (r"\bpickle\b", ("secret.py",)),  # says that it cannot be pickled
        (r"verify=False", ()),
        (r"\b(eval|exec)\(", ()),
        (r"\bos\.system\(", ()),
        (r"except Exception", ("app/loop.py", "specs/child.py")),  # the loop's door, in each of the two processes
    ],
)
def test_nothing_forbidden_is_written(forbidden: str, allowed_in: tuple[str, ...]) -> None:
    found = [name for name, text in modules() if re.search(forbidden, text) and name not in allowed_in]
    assert found == []


def test_fakes_stand_on_our_own_ports() -> None:
    ours = (path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    assert [str(path) for path in ours if re.search(r"\bunittest(\.mock| import)\b", path.read_text())] == []


def test_no_file_names_a_developers_machine_or_a_package_registry() -> None:
    machine = re.compile(r"(?<![\w.}/-])(/root/|/home/\w+/|/Users/\w+/|/work/)")
    found = []
    for path in committed():
        text = path.read_text("utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {hit.group()}" for hit in machine.finditer(text)]
        found += [f"{path.relative_to(ROOT)}: {host}" for host in REGISTRIES if host in text]
    assert found == []


def test_the_top_level_holds_only_what_belongs_there() -> None:
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line]
    entries = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - TOP_LEVEL
    assert {name for name in entries if not any(fnmatch.fnmatch(name, one) for one in ignored)} == set()


def test_every_link_of_a_page_leads_somewhere() -> None:
    dead = []
    for page in (
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "script").rglob("*.md"),
    ):
        targets = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
        dead += [f"{page.name}: {one}" for one in targets if "://" not in one and not (page.parent / one).exists()]
    assert dead == []


def test_every_error_key_in_the_code_is_in_the_catalogue() -> None:
    used = {(key, name) for name, text in modules() for key in _keys(ast.parse(text))}
    assert len(used) > 100  # the search itself finds what there is
    assert {(key, name) for key, name in used if key not in catalogue.errors()} == set()


def _keys(tree: ast.Module) -> Iterator[str]:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    places = {
        alias.asname or alias.name: place
        for node in imports
        for alias in node.names
        if (place := KEY_TAKERS.get((node.module or "", alias.name))) is not None
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in {"key", "error_key"}:
            yield from _texts(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = places.get(node.func.id)
            if place is not None and len(node.args) > place:
                yield from _texts(node.args[place])


def _texts(value: ast.expr) -> Iterator[str]:
    """The literal texts that an expression can be; an empty one means no error."""
    match value:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body)
            yield from _texts(orelse)
        case ast.BoolOp(values=values):
            for one in values:
                yield from _texts(one)


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in (*project["dependencies"], *project["optional-dependencies"]["dev"])]


def test_every_declared_dependency_is_pinned_in_its_range_and_by_hash() -> None:
    text = (ROOT / ".ci" / "constraints.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == []
    pins = {
        canonicalize_name(name): Version(rest.split()[0]) for name, _, rest in (line.partition("==") for line in lines)
    }
    wrong = [str(one) for one in declared() if pins.get(canonicalize_name(one.name), Version("0")) not in one.specifier]
    assert wrong == []


def test_every_package_that_the_code_imports_is_declared() -> None:
    runtime = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    ours = {canonicalize_name(Requirement(line).name) for line in runtime}
    distributions = packages_distributions()
    imported = {top for _, text in modules() for top in _imported(ast.parse(text))} - sys.stdlib_module_names
    undeclared = {
        top
        for top in imported - {"reconciler"}
        if not ours & {canonicalize_name(distribution) for distribution in distributions.get(top, [])}
    }
    assert undeclared == set()


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
