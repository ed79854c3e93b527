"""A hook that talks without measure: bounded here, bounded on the host's disk, and still one run (T14, T32).

On sandbox hosts some tens of MiB; on OpenSSH hosts (`-m real`) 256 MiB to each stream. With 1 GiB to each the same
holds, and takes half a minute on two cores.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import Unavailable
from tests.bundle.making import HookText, Maker
from tests.contracts import host_fixtures
from tests.contracts.host_fixtures import COUNT, Bundling, cutting, run
from tests.contracts.host_flood import Asked, Grown, followed
from tests.contracts.host_world import World, canary, real_world
from tests.servers.hosts import Host

world, maker, bundle_of = host_fixtures.world, host_fixtures.maker, host_fixtures.bundle_of

MIB = 1 << 20
LOG, STDERR = 512 * 1024, 128 * 1024  # bytes that an answer carries (runner.sh)
ESCAPED = 6  # characters that stand for one byte which moves a cursor
OUTPUT, OUTPUTS = 4096, 64 * 1024  # characters of one value; bytes of all
GROWN = 64 * MIB  # an answer's base64, its bytes and its text, some of them twice
ON_THE_HOST = 26 * MIB  # of each stream a beginning and twice as much of its end, 4 MiB each, and what is left over
TALK = "line=$(printf '\\033[31m%0120d\\033[0m\\033]8;;http://evil\\007' 0)\n"


@pytest.fixture
def real_one(real_hosts: tuple[Host, ...]) -> Iterator[World]:
    with real_world(real_hosts[0]) as made:
        yield made


def flood(mib: int) -> str:
    """To each stream so much: lines full of escapes, one long line, and a last word."""
    lines = f"head -c {mib // 2}M /dev/zero | tr '\\0' x\necho\nhead -c {mib // 2}M < <(yes \"$line\")\necho last"
    return f"{COUNT}{TALK}speak() {{\n{lines}\n}}\necho first; speak; echo first >&2; speak >&2"


def measured(world: World, maker: Maker, folder: Path, hook: HookText) -> Grown:
    """What a process of its own keeps of this hook, and how it grows."""
    bundle = maker.bundle(folder / "flood", {"quiet.sh": HookText("echo quiet"), "preflight.sh": hook}, "flood-1")
    world.api().deliver(bundle, "k8s", generation=1)
    at = world.address
    return followed(
        Asked(
            *(at.address, at.port, at.user, at.host_key.line, world.private_key.reveal()),
            *(bundle.root, str(maker.public), bundle.version, "quiet.sh", "preflight.sh"),
            become=at.become,
        )
    )


def kept_on_the_host(world: World) -> int:
    """Bytes of disk that all operations take there."""
    return int(world.shell(f"du -sB1 {world.root}/operations | cut -f1"))


def test_t14_a_flood_is_bounded_here_and_on_the_host_and_ran_once(world: World, maker: Maker, tmp_path: Path) -> None:
    found = measured(world, maker, tmp_path, HookText(flood(256 if world.real else 32), timeout=300))
    assert found.exit_code == 0
    assert LOG // 2 < found.log <= LOG * ESCAPED
    assert STDERR // 2 < found.stderr <= STDERR * ESCAPED
    assert found.grown < GROWN
    assert kept_on_the_host(world) < ON_THE_HOST
    assert world.count() == 1


def test_t14_outputs_without_measure_are_bounded_and_none_is_half_a_value(
    world: World, maker: Maker, tmp_path: Path
) -> None:
    mib = 256 if world.real else 16
    text = (
        'echo "promised=yes" >>"$OPS_OUTPUTS"\n'
        f'{{ printf deep=; head -c 5000 < <(yes "[" | tr -d "\\n"); echo; }} >>"$OPS_OUTPUTS"\n'
        f'head -c {mib}M < <(for i in {{1..2000}}; do printf "k$i=%040d\\n" 0; done; yes "[[[[[[[[[") >>"$OPS_OUTPUTS"'
    )
    found = measured(world, maker, tmp_path, HookText(text, outputs=("promised",), timeout=300))
    assert found.exit_code == 0
    assert found.outputs["promised"] == len("yes")
    assert "deep" not in found.outputs  # longer than a value may be
    assert len(found.outputs) > 1000
    assert sum(found.outputs.values()) <= OUTPUTS
    assert {size for name, size in found.outputs.items() if name != "promised"} == {40}
    assert found.grown < GROWN
    assert kept_on_the_host(world) < ON_THE_HOST


@pytest.mark.real
def test_f20_a_hook_that_talks_without_end_is_found_again_until_its_time_is_over(
    real_one: World, bundle_of: Bundling
) -> None:
    world = real_one
    bundle = bundle_of(preflight=HookText(f'{COUNT}{TALK}yes "$line" & exec yes "$line" >&2', timeout=3))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    result = None
    with cutting(world):
        while result is None:
            try:
                result = run(host, bundle)
            except Unavailable:
                host = world.api()
    assert result.exit_code in (124, 137)
    assert "runner=timeout after_seconds=3" in result.stderr
    assert len(result.log) <= LOG * ESCAPED
    assert len(result.stderr) <= STDERR * ESCAPED
    assert kept_on_the_host(world) < ON_THE_HOST
    assert world.count() == 1
    assert world.proxy.connections > 2  # it was cut while it ran


@pytest.mark.real
def test_a_daemon_that_a_hook_leaves_behind_talks_on_and_takes_no_more_of_the_disk(
    real_one: World, bundle_of: Bundling
) -> None:
    world = real_one
    text = f'{COUNT}{TALK}echo before\nsetsid yes "$line" & echo $! >"$OPSPILOT_ROOT/child"'
    bundle = bundle_of(preflight=HookText(text))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    try:
        assert run(host, bundle).exit_code == 0
        assert run(host, bundle, operation="op-2").exit_code == 0  # while the first one's daemon talks
        assert kept_on_the_host(world) < 2 * ON_THE_HOST
    finally:
        world.shell(f"kill $(cat {world.root}/child)")
    assert world.count() == 2


def test_t18_a_secret_said_over_and_over_is_nowhere_half_shown(world: World, bundle_of: Bundling) -> None:
    """Masking knows whole values: where a log is cut, the cut lines go."""
    secret = canary()
    text = 'head -n 60000 < <(yes "pass=$OPS_AUTH_PASS") | tee /dev/stderr'
    bundle = bundle_of(preflight=HookText(text))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    result = run(host, bundle, variables={"OPS_AUTH_PASS": secret, "OPS_NET_MODE": "lvs_vip"})
    said = {line for line in (result.log + result.stderr).splitlines() if "runner=excerpt" not in line}
    assert said == {"pass=***"}
