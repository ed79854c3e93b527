"""What the host suites share: the host under test, bundles made of a few lines of bash, cut connections."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.ports import HostApi, StepResult
from reconciler.state.bundle import Bundle
from tests.bundle.making import HookText, Maker
from tests.contracts.host_world import World, real_world, sandbox_world

COUNT = 'echo once >>"$OPSPILOT_ROOT/effects"\n'
Bundling = Callable[..., Bundle]


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "sandbox":
        with sandbox_world(tmp_path) as made:
            yield made
    else:
        with real_world(request.getfixturevalue("real_hosts")[0]) as made:
            yield made


@pytest.fixture(scope="module")
def maker() -> Maker:
    return Maker.new()


@pytest.fixture
def bundle_of(maker: Maker, tmp_path: Path) -> Bundling:
    def make(version: str = "test-1", files: dict[str, bytes] | None = None, **hooks: HookText) -> Bundle:
        named = {f"{name.replace('_', '-')}.sh": hook for name, hook in hooks.items()}
        person = maker if files is None else replace(maker, files=files)
        return person.bundle(tmp_path / f"bundle-{version}", named or {"preflight.sh": HookText(COUNT)}, version)

    return make


def run(host: HostApi, bundle: Bundle, hook: str = "preflight.sh", **changed: object) -> StepResult:
    given: dict[str, object] = {"operation": "op-1", "generation": 1, "variables": {}} | changed
    return host.run_hook(bundle, "k8s", hook, **given)  # type: ignore[arg-type]


@contextmanager
def cutting(world: World) -> Iterator[None]:
    """Cut all connections again and again, ever more slowly: a login takes longer on some hosts than on others."""
    over = threading.Event()

    def cut() -> None:
        pause = 0.1
        while not over.wait(pause):
            world.proxy.cut()
            pause *= 1.15

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
