"""A bundle that was tampered with anywhere is refused before a host of the environment is contacted (bundle.md)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from reconciler.bundle import checksums
from reconciler.bundle.folder import FolderBundles
from reconciler.bundle.keys import PublicKey, generate_key, sign_bytes
from reconciler.bundle.sign import sign
from reconciler.names import Revision
from reconciler.plan.change import Check
from reconciler.sandbox.hosts import SandboxHost
from reconciler.sandbox.world import BUNDLE, HOSTS
from reconciler.secret import Secret
from tests.failpoints.worlds import make_world
from tests.story.clock import MovableClock
from tests.story.stage import Stage

COMPOSE = "environments/env-compose-prod.yaml"


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


def looked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, revision: Revision | None = None, environment: str = "env-k8s-prod"
) -> tuple[list[str], tuple[Check, ...]]:
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
        plans = opened.planner.between(None, revision or stage.tip(), lambda _: True, only=[environment]).plans
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


# --- a host that follows a bundle, and a change that names another one


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One host that carries the example's bundle."""
    clock = MovableClock()
    built = Stage.on(make_world("hosts")(tmp_path_factory.mktemp("installed") / "world", clock), clock)
    try:
        built.accept_first()
        yield built
    finally:
        built.world.close()


@contextmanager
def resigned(stage: Stage, version: str, private: Secret) -> Iterator[Path]:
    """The bundle under another version, signed by another key, for so long."""
    folder = stage.world.folder / "bundles" / version
    copytree(stage.world.folder / "bundles" / BUNDLE, folder)
    index = first(folder, "index.yaml")
    index.write_text(index.read_text().replace("sandbox-1", version))
    sign(folder, private)
    try:
        yield folder
    finally:
        rmtree(folder)


def trusting(stage: Stage, *more: PublicKey) -> FolderBundles:
    """What a reconciler finds whose reconciler.toml names these keys beside its own."""
    own = (stage.world.folder / "keys" / "bundle.pub").read_text().strip()
    return FolderBundles([stage.world.folder / "bundles"], [own, *map(str, more)])


def following(stage: Stage, version: str) -> Revision:
    """A commit, on a branch of this name, by which the environment follows that version."""
    text = stage.world.example()[COMPOSE].replace("sandbox-1", version)
    made = stage.world.commit("another bundle", {COMPOSE: text}, author="admin", branch=version)
    stage.settle()
    return made


def test_a_bundle_of_a_key_that_is_trusted_no_more_contacts_no_host_not_even_for_the_one_it_would_replace(
    installed: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, removed = generate_key()
    revision = following(installed, "sandbox-2")
    found = []
    with resigned(installed, "sandbox-2", private):
        for keys in ((removed,), ()):
            monkeypatch.setattr(installed.world.opened.planner.desires, "bundles", trusting(installed, *keys))
            contacted, blocked = looked(installed, monkeypatch, revision, "env-compose-prod")
            found.append((contacted, [check.key for check in blocked]))
    assert found == [(["compose-1"], []), ([], ["artifact_signature_invalid"])]


def test_a_checksum_that_stands_twice_contacts_no_host_though_a_trusted_key_signed_it(
    installed: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = generate_key()
    revision = following(installed, "sandbox-3")
    with resigned(installed, "sandbox-3", private) as folder:
        content = (folder / checksums.SUMS).read_bytes()
        content += content.splitlines(keepends=True)[-1]
        (folder / checksums.SUMS).write_bytes(content)
        (folder / checksums.SIGNATURE).write_bytes(sign_bytes(private, content)[0])
        monkeypatch.setattr(installed.world.opened.planner.desires, "bundles", trusting(installed, public))
        contacted, blocked = looked(installed, monkeypatch, revision, "env-compose-prod")
    assert contacted == []
    assert [check.key for check in blocked] == ["artifact_checksum_mismatch"]


def test_an_older_bundle_than_the_one_that_a_host_follows_is_shown_refused_and_never_delivered(
    installed: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is older only the host knows: one where nothing was installed yet may follow it."""
    private, public = generate_key()
    host = installed.world.hosts["compose-1"]
    assert isinstance(host, SandboxHost)

    def carried() -> tuple[tuple[str, ...], list[str]]:
        return host.effects(), sorted(path.name for path in (host.root / "scripts").iterdir())

    before = carried()
    with resigned(installed, "sandbox-0", private):
        monkeypatch.setattr(installed.world.opened.planner.desires, "bundles", trusting(installed, public))
        following(installed, "sandbox-0")
        person = installed.desk("admin").person()
        number = person.open("sandbox-0", "main", "an older bundle")
        installed.settle()
        (comment,) = person.show(number).comments
        installed.force_merge(number, "admin")
    assert before[0]
    assert "installing bundle sandbox-0 over sandbox-1: a downgrade is not supported" in comment.body
    assert "artifact_version_unsupported" in comment.body
    assert carried() == before
