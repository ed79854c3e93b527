"""ports.HostApi, the same suite on sandbox hosts and, marked `real`, on OpenSSH hosts in network namespaces."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from reconciler.bundle.folder import FolderBundles
from reconciler.bundle.sign import sign
from reconciler.errors import Refused, Rejected, Unavailable, Untrusted
from reconciler.sandbox.hosts import new_login
from reconciler.ssh.identity import HostKey
from reconciler.ssh.runner import Runner
from reconciler.state.bundle import Bundle
from reconciler.state.observed import InstalledBundle
from tests.bundle.making import HookText, Maker
from tests.bundle.test_making import SANDBOX
from tests.contracts import host_fixtures
from tests.contracts.host_fixtures import COUNT, Bundling, run
from tests.contracts.host_world import World, real_world

world, maker, bundle_of = host_fixtures.world, host_fixtures.maker, host_fixtures.bundle_of


# --- who it is


def test_a_fresh_host_is_seen_whole(world: World) -> None:
    seen = world.api().observe()
    assert seen.machine_id == world.shell("cat /etc/machine-id").strip() or world.real is None
    assert len(seen.machine_id) == 32
    assert seen.host_key == world.address.host_key.line
    assert seen.answers == {"os": "yes", "arch": "yes", "kernel": "yes", "disk": "yes", "tools": "yes"}
    assert (seen.installed, seen.generation, seen.failure) == (None, 0, None)


def test_looking_changes_nothing_on_the_host(world: World) -> None:
    world.api().observe()
    assert world.shell(f"ls -A {world.root} 2>/dev/null || true") == ""


def test_one_connection_serves_many_calls(world: World, bundle_of: Bundling) -> None:
    host, bundle = world.api(), bundle_of()
    host.observe()
    host.deliver(bundle, "k8s", generation=1)
    run(host, bundle)
    assert world.proxy.connections == 1


def test_t22_another_host_key_is_refused(world: World) -> None:
    _, other = new_login()
    with pytest.raises(Untrusted) as refusal:
        world.api(host_key=HostKey.parse(other)).observe()
    assert refusal.value.key == "ssh_auth_failed"


def test_t22_a_host_without_a_key_of_the_pinned_type_is_refused(world: World) -> None:
    pinned = HostKey("ecdsa-sha2-nistp256", b"\0\0\0\x13ecdsa-sha2-nistp256")
    with pytest.raises(Untrusted):
        world.api(host_key=pinned).observe()


def test_a_key_that_the_host_does_not_know_is_rejected(world: World) -> None:
    stranger, _ = new_login()
    with pytest.raises(Rejected) as refusal:
        world.api(private_key=stranger).observe()
    assert refusal.value.key == "ssh_auth_failed"


def test_a_closed_port_is_unavailable(world: World) -> None:
    with pytest.raises(Unavailable) as refusal:
        world.api(port=1).observe()
    assert refusal.value.key == "ssh_unreachable"


# --- delivery


def test_what_the_runtime_needs_is_put_in_place_with_its_modes(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of()
    world.api().deliver(bundle, "k8s", generation=1)
    listed = world.shell(f"cd {world.root}/script/ && find . -type f -printf '%p %m\\n' | sort").split("\n")
    assert listed == ["./bin/tool 755", "./hooks/preflight.sh 755", ""]
    assert world.file("script/bin/tool") == "tool\n"


def test_a_second_delivery_sends_no_file(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(files={"bin/big": b"0123456789abcdef" * 65536})
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    before = world.proxy.sent
    assert before > 1 << 20
    host.deliver(bundle, "k8s", generation=1)
    assert world.proxy.sent - before < 100_000


def test_a_new_version_sends_only_what_is_new_and_both_stay(world: World, bundle_of: Bundling) -> None:
    big = b"0123456789abcdef" * 65536
    host = world.api()
    host.deliver(bundle_of(files={"bin/big": big}), "k8s", generation=1)
    before = world.proxy.sent
    host.deliver(bundle_of("test-2", files={"bin/big": big, "bin/new": b"new"}), "k8s", generation=2)
    assert world.proxy.sent - before < 150_000
    assert world.file("script/bin/new") == "new"
    assert world.shell(f"ls {world.root}/scripts | wc -l").strip() == "2"


def test_t34_a_file_swapped_after_it_was_verified_is_not_delivered(world: World, bundle_of: Bundling) -> None:
    host = world.api()
    host.deliver(bundle_of(), "k8s", generation=1)
    bundle = bundle_of("test-2", files={"bin/tool": b"v2" * 100_000})
    (Path(bundle.root) / "bin/tool").write_bytes(b"V2" * 100_000)
    with pytest.raises(Untrusted, match="is not what was verified") as refusal:
        host.deliver(bundle, "k8s", generation=2)
    assert refusal.value.key == "artifact_checksum_mismatch"
    assert world.file("script/bin/tool") == "tool\n"
    assert world.shell(f"grep -rlc V2V2 {world.root} || true") == ""


def test_f24_the_host_names_no_content_that_is_not_what_was_announced(world: World) -> None:
    runner = Runner(world.session())
    announced, sent = b"tool\n", b"TOOL\n"
    with pytest.raises(Untrusted) as refusal:
        runner.ask("put", (sha256(announced).hexdigest(), len(sent)), content=[sent], timeout=timedelta(seconds=20))
    assert refusal.value.key == "artifact_checksum_mismatch"
    assert world.shell(f"ls -A {world.root}/store") == ""
    runner.ask("put", (sha256(sent).hexdigest(), len(sent)), content=[sent], timeout=timedelta(seconds=20))
    assert world.shell(f"ls {world.root}/store").strip() == sha256(sent).hexdigest()


def test_t34_a_file_swapped_for_a_link_is_not_delivered(world: World, bundle_of: Bundling, tmp_path: Path) -> None:
    bundle = bundle_of()
    (tmp_path / "outside").write_bytes(b"tool\n")
    (Path(bundle.root) / "bin/tool").unlink()
    (Path(bundle.root) / "bin/tool").symlink_to(tmp_path / "outside")
    with pytest.raises(Untrusted):
        world.api().deliver(bundle, "k8s", generation=1)


@pytest.mark.parametrize("cut_after", [20_000, 300_000, 900_000])
def test_f20_a_cut_delivery_leaves_the_old_files_and_goes_on(world: World, bundle_of: Bundling, cut_after: int) -> None:
    host = world.api()
    host.deliver(bundle_of(), "k8s", generation=1)
    bundle = bundle_of("test-2", files={"bin/tool": b"0123456789abcdef" * 65536})
    world.proxy.cut_after(cut_after)
    with pytest.raises(Unavailable):
        host.deliver(bundle, "k8s", generation=2)
    assert world.file("script/bin/tool") == "tool\n"
    host.deliver(bundle, "k8s", generation=2)
    assert world.shell(f"sha256sum <{world.root}/script/bin/tool").startswith(dict(_sums(bundle))["bin/tool"])
    assert world.shell(f"find {world.root} -name '.upload.*' -o -name '.new.*'") == ""


def _sums(bundle: Bundle) -> list[tuple[str, str]]:
    return [(path, digest) for path, digest, _ in bundle.files]


def test_f24_what_was_damaged_on_the_host_is_sent_again(world: World, bundle_of: Bundling) -> None:
    host, bundle = world.api(), bundle_of()
    host.deliver(bundle, "k8s", generation=1)
    world.shell(f"printf 'TOOL\\n' >{world.root}/script/bin/tool")  # through the hard link, also in the store
    host.deliver(bundle, "k8s", generation=1)
    assert world.file("script/bin/tool") == "tool\n"


# --- generations and the record


def test_an_older_generation_is_refused_everywhere(world: World, bundle_of: Bundling) -> None:
    host, bundle = world.api(), bundle_of()
    host.deliver(bundle, "k8s", generation=5)
    record = InstalledBundle("env", "test-1", bundle.digest, "worker", 4)
    for attempt in (
        lambda: host.deliver(bundle, "k8s", generation=4),
        lambda: run(host, bundle, generation=4),
        lambda: host.record_install(record, generation=4),
        lambda: host.record_install(None, generation=4),
    ):
        with pytest.raises(Refused) as refusal:
            attempt()
        assert refusal.value.key == "resource_conflict"
    assert world.count() == 0
    seen = host.observe()
    assert (seen.generation, seen.installed) == (5, None)


def test_a_newer_generation_is_remembered_by_each_effect(world: World, bundle_of: Bundling) -> None:
    host, bundle = world.api(), bundle_of()
    host.deliver(bundle, "k8s", generation=1)
    run(host, bundle, generation=2)
    assert host.observe().generation == 2
    host.record_install(None, generation=3)
    assert host.observe().generation == 3


def test_an_install_is_remembered_and_forgotten(world: World) -> None:
    host = world.api()
    record = InstalledBundle("env-k8s-prod", "v1.30.1-offline.1", "ab" * 32, "control_plane", 7)
    host.record_install(record, generation=7)
    assert host.observe().installed == record
    host.record_install(None, generation=7)
    assert host.observe().installed is None


@pytest.mark.parametrize("content", ["{}", "[", "{{7*7}}", '{"environment": "e"}', "[" * 4000, "x" * 9000])
def test_t14_a_record_that_is_not_ours_is_said_and_not_taken_for_none(world: World, content: str) -> None:
    world.api().record_install(None, generation=1)
    world.shell(f"cat >{world.root}/installed.json <<'EOF'\n{content}\nEOF")
    with pytest.raises(Rejected, match=r"installed.json"):
        world.api().observe()


@pytest.mark.parametrize("content", ["", "x", "-1", "1e9", "a[$(touch /tmp/t14-marker)]"])
def test_t14_an_unreadable_generation_lets_nothing_in(world: World, bundle_of: Bundling, content: str) -> None:
    world.api().record_install(None, generation=1)
    world.shell(f"printf '%s' '{content}' >{world.root}/generation")
    for attempt in (world.api().observe, lambda: world.api().deliver(bundle_of(), "k8s", generation=9)):
        with pytest.raises(Refused) as refusal:
            attempt()
        assert refusal.value.key == "resource_conflict"
    assert world.shell("ls /tmp/t14-marker 2>/dev/null || true") == ""


# --- the whole story


def test_the_sandbox_bundle_installs_verifies_and_goes_back(world: World, maker: Maker, tmp_path: Path) -> None:
    shutil.copytree(SANDBOX, tmp_path / "sandbox")
    sign(tmp_path / "sandbox", maker.private)
    bundle = FolderBundles([tmp_path / "sandbox"], [str(maker.public)]).load("sandbox-1")
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    hooks = ("preflight.sh", "install-k8s-worker.sh", "install-k8s-worker.sh", "post-install-verify.sh", "rollback.sh")
    results = [run(host, bundle, hook, operation=f"op-{number}") for number, hook in enumerate(hooks)]
    assert [result.exit_code for result in results] == [0, 0, 0, 0, 0], results
    assert [len(result.outputs) for result in results] == [1, 1, 1, 1, 1]
    assert [result.log.rstrip().rpartition("=")[2] for result in results[1:3]] == ["installed", "unchanged"]
    assert run(host, bundle, "post-install-verify.sh", operation="op-9").exit_code == 1
    assert world.shell(f"cut -d' ' -f1 {world.root}/effects.log").split()[:5] == list(hooks)


# --- only a real host can show


@pytest.mark.real
def test_f20_a_silent_partition_is_noticed_and_the_run_found_again(
    real_hosts: tuple[object, ...], bundle_of: Bundling
) -> None:
    with real_world(real_hosts[0]) as world:  # type: ignore[arg-type]
        assert world.real is not None
        direct = world.api(address=world.real.address, port=world.real.port)
        bundle = bundle_of(preflight=HookText(COUNT + "sleep 6; echo end"))
        direct.deliver(bundle, "k8s", generation=1)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(run, direct, bundle)
            while not world.count():
                assert not asked.done()
            world.real.partition()
            threading.Event().wait(4)
            world.real.heal()
            assert asked.result(timeout=60).log == "end\n"
        assert world.count() == 1


@pytest.mark.real
def test_f23_a_full_disk_refuses_and_keeps_what_ran(real_hosts: tuple[object, ...], bundle_of: Bundling) -> None:
    with real_world(real_hosts[0]) as world:  # type: ignore[arg-type]
        world.shell("mkdir -p /opt/opspilot && mount -t tmpfs -o size=600k tmpfs /opt/opspilot")
        try:
            host = world.api()
            host.deliver(bundle_of(), "k8s", generation=1)
            with pytest.raises(Rejected) as refusal:
                host.deliver(bundle_of("test-2", files={"bin/tool": b"x" * 2_000_000}), "k8s", generation=2)
            assert refusal.value.key == "preflight_failed"
            assert world.file("script/bin/tool") == "tool\n"
            assert world.shell("find /opt/opspilot -name '.upload.*'") == ""
        finally:
            world.shell("umount -l /opt/opspilot")
