"""A bundle that was tampered with anywhere is refused before a host of the environment is contacted (bundle.md)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.plan.change import Check
from reconciler.sandbox.world import BUNDLE, HOSTS
from tests.story.stage import Stage

INSTALLED = "environment/env-k8s-prod"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Hosts on which nothing is installed, and a first plan that would install them."""
    built = Stage.build(tmp_path_factory.mktemp("bundles") / "world", hosts=tuple(HOSTS))
    try:
        yield built
    finally:
        built.world.close()


def first(folder: Path, pattern: str) -> Path:
    return min(path for path in folder.rglob(pattern) if path.is_file())


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def regions() -> Iterator[tuple[str, Callable[[Path], object]]]:
    yield "the index", lambda folder: flipped(first(folder, "index.yaml"))
    yield "the checksums", lambda folder: flipped(first(folder, "SHA256SUMS"))
    yield "the signature", lambda folder: flipped(first(folder, "*.sig*"))
    yield "a hook", lambda folder: flipped(first(folder, "*.sh"))
    yield "a hook cut short", lambda folder: first(folder, "*.sh").write_bytes(b"")
    yield "a hook that is gone", lambda folder: first(folder, "*.sh").unlink()
    yield "the signature that is gone", lambda folder: first(folder, "*.sig*").unlink()
    yield "a file that is nobody's", lambda folder: (first(folder, "*.sh").parent / "extra.sh").write_text("true")


def looked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], tuple[Check, ...]]:
    """Which hosts a plan of the environment contacted, and what blocks it."""
    contacted: list[str] = []
    opened = stage.world.opened
    made = opened.planner.connections.make_host

    def noted(name: str, *rest: object) -> object:
        contacted.append(name)
        return made(name, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(opened.planner.connections, "make_host", noted)
        opened.planner.desires.forget()
        opened.planner.connections.close()
        plans = opened.planner.between(None, stage.tip(), lambda _: True, only="env-k8s-prod").plans
    return contacted, tuple(check for plan in plans for check in plan.blocked)


def test_a_whole_bundle_is_looked_for_on_its_hosts(bare: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    contacted, blocked = looked(bare, monkeypatch)
    assert sorted(contacted) == ["cp-1", "wk-1", "wk-2"]
    assert blocked == ()


@pytest.mark.parametrize("tamper", [pytest.param(tamper, id=region) for region, tamper in regions()])
def test_a_tampered_bundle_contacts_no_host(
    bare: Stage, monkeypatch: pytest.MonkeyPatch, tamper: Callable[[Path], object]
) -> None:
    folder = bare.world.folder / "bundles" / BUNDLE
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    try:
        tamper(folder)
        contacted, blocked = looked(bare, monkeypatch)
    finally:
        for path in [path for path in folder.rglob("*") if path.is_file() and path not in kept]:
            path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)
    assert contacted == []
    assert {check.key for check in blocked if check.key.startswith("artifact_")}
