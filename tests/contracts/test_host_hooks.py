"""ports.HostApi: hooks, the same suite on sandbox hosts and, marked `real`, on OpenSSH hosts in network namespaces."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.errors import Refused, Rejected, Unavailable, Untrusted
from reconciler.state.bundle import Bundle
from tests.bundle.making import HookText
from tests.contracts import host_fixtures
from tests.contracts.host_fixtures import COUNT, Bundling, cutting, run
from tests.contracts.host_world import World, alive, canary

world, maker, bundle_of = host_fixtures.world, host_fixtures.maker, host_fixtures.bundle_of


def test_a_hook_answers_its_log_outputs_and_exit_code(world: World, bundle_of: Bundling) -> None:
    text = 'echo "[INFO] check=x result=ok"\necho "summary=two words" >>"$OPS_OUTPUTS"\n'
    bundle = bundle_of(preflight=HookText(text, outputs=("summary", "promised")))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    result = run(host, bundle)
    assert result.exit_code == 0
    assert result.outputs == {"summary": "two words"}
    assert result.log == "[INFO] check=x result=ok\n[WARN] runner=outputs missing=promised\n"
    assert timedelta(0) <= result.duration < timedelta(seconds=5)


def test_a_failure_is_shown_with_its_code_and_what_it_said(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText(COUNT + 'echo "[ERROR] disk=full" >&2\nexit 7'))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    result = run(host, bundle)
    assert (result.exit_code, result.stderr) == (7, "[ERROR] disk=full\n")
    assert world.count() == 1


def test_asked_again_the_host_answers_what_the_first_run_did(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText(COUNT + "echo $RANDOM$RANDOM$RANDOM; exit 3"))
    first = world.api()
    first.deliver(bundle, "k8s", generation=1)
    before = run(first, bundle)
    assert run(first, bundle) == before == run(world.api(), bundle)
    assert world.count() == 1


def test_what_an_older_plan_did_is_still_answered_and_not_done_again(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText(COUNT))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    before = run(host, bundle)
    host.record_install(None, generation=2)
    assert run(host, bundle) == before
    with pytest.raises(Refused):
        run(host, bundle, operation="op-2")
    assert world.count() == 1


@pytest.mark.parametrize("text", ["sleep 2", "for i in {1..20}; do echo line $i; echo line $i >&2; sleep 0.1; done"])
def test_f20_a_hook_runs_once_under_cut_connections(world: World, bundle_of: Bundling, text: str) -> None:
    bundle = bundle_of(preflight=HookText(f"{COUNT}{text}\necho end"))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    with cutting(world):
        result = None
        while result is None:
            try:
                result = run(host, bundle)
            except Unavailable:
                host = world.api()
    assert result.exit_code == 0
    assert result.log.endswith("end\n")
    assert world.count() == 1
    assert world.proxy.connections > 2  # it was cut while it ran


def test_f20_two_that_ask_at_once_follow_one_run(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText(COUNT + "sleep 0.5; echo $$"))
    world.api().deliver(bundle, "k8s", generation=1)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda host: run(host, bundle), [world.api() for _ in range(4)]))
    assert len({result.log for result in results}) == 1
    assert world.count() == 1


def test_a_hook_out_of_time_is_ended_with_all_it_started(world: World, bundle_of: Bundling) -> None:
    text = "(trap '' TERM; sleep 60) & echo $! >\"$OPSPILOT_ROOT/child\"\nsleep 60"
    bundle = bundle_of(preflight=HookText(COUNT + text, timeout=1))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    result = run(host, bundle)
    assert result.exit_code in (124, 137)
    assert "runner=timeout after_seconds=1" in result.stderr
    assert not alive(world, world.file("child"))


def test_a_retryable_hook_is_tried_again_and_told_which_try_it_is(world: World, bundle_of: Bundling) -> None:
    text = COUNT + 'echo "try $OPS_RETRY_ATTEMPT of $OPS_RETRY_MAX"\n[[ $OPS_RETRY_ATTEMPT == 2 ]]'
    bundle = bundle_of(preflight=HookText(text, retries=3))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    result = run(host, bundle)
    assert result.exit_code == 0
    assert [line for line in result.log.splitlines() if line.startswith("try")] == [f"try {n} of 3" for n in range(3)]
    assert world.count() == 3


def test_tries_end_with_the_last_failure(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText(COUNT + "exit 5", retries=1))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    assert run(host, bundle).exit_code == 5
    assert world.count() == 2


def interrupted(world: World, bundle: Bundle) -> None:
    """Cut the power in the middle of the first run, once its effect is there."""
    world.api().deliver(bundle, "k8s", generation=1)
    with ThreadPoolExecutor(1) as pool:
        host = world.api()
        asked = pool.submit(run, host, bundle)
        while not world.count():
            assert not asked.done()
        world.shell("sync")
        world.power_cycle()
        asked.exception(timeout=60)


def test_f20_an_interrupted_hook_that_is_not_retryable_is_left_to_a_person(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText(COUNT + "sleep 60"))
    interrupted(world, bundle)
    with pytest.raises(Rejected, match="interrupted") as refusal:
        run(world.api(), bundle)
    assert refusal.value.key == "script_hook_exec_failed"
    assert world.count() == 1


def test_f20_an_interrupted_hook_that_is_retryable_is_run_again(world: World, bundle_of: Bundling) -> None:
    text = COUNT + "[[ $OPS_RETRY_ATTEMPT == 1 ]] || sleep 60"
    bundle = bundle_of(preflight=HookText(text, retries=1))
    interrupted(world, bundle)
    assert run(world.api(), bundle).exit_code == 0
    assert world.count() == 2


def test_f22_after_a_power_cut_the_files_in_place_are_whole(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of()
    world.api().deliver(bundle, "k8s", generation=3)
    world.power_cycle()
    host = world.api()
    assert host.observe().generation == 3
    assert run(host, bundle, generation=3).exit_code == 0


def test_one_hook_runs_at_a_time(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText(COUNT + "sleep 1.5"), other=HookText("echo x >>$OPSPILOT_ROOT/other"))
    world.api().deliver(bundle, "k8s", generation=1)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run, world.api(), bundle)
        while not world.count():
            assert not asked.done()
        with pytest.raises(Unavailable) as refusal:
            run(world.api(), bundle, "other.sh", operation="op-2", generation=2)
        with pytest.raises(Unavailable):
            world.api().deliver(bundle, "k8s", generation=2)
        assert asked.result().exit_code == 0
    assert refusal.value.key == "resource_locked"
    assert world.count("other") == 0
    assert run(world.api(), bundle, "other.sh", operation="op-2", generation=2).exit_code == 0


def test_a_daemon_that_a_hook_leaves_behind_holds_nothing_up(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText(COUNT + "setsid sleep 20 & echo $! >>$OPSPILOT_ROOT/child"))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    assert run(host, bundle).exit_code == 0
    assert alive(world, world.file("child"))
    assert run(host, bundle, operation="op-2").exit_code == 0
    assert world.count() == 2
    world.shell(f"kill $(cat {world.root}/child)")  # both: each is its own process group's leader


def test_an_operation_id_never_means_two_things(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText(COUNT), other=HookText(COUNT))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    run(host, bundle)
    with pytest.raises(Rejected) as refusal:
        run(host, bundle, "other.sh")
    assert refusal.value.key == "resource_conflict"
    assert world.count() == 1


def test_a_hook_of_a_bundle_that_is_not_in_place_is_missing(world: World, bundle_of: Bundling) -> None:
    first, second = bundle_of(), bundle_of("test-2", preflight=HookText("true"))
    host = world.api()
    for bundle in (first, second):
        host.deliver(bundle, "k8s", generation=1)
    with pytest.raises(Rejected) as refusal:
        run(host, first)
    assert refusal.value.key == "script_hook_missing"
    with pytest.raises(Rejected) as refusal:
        run(host, second, "absent.sh")
    assert refusal.value.key == "script_hook_missing"


def test_both_runtimes_of_one_bundle_can_be_in_place(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText('readlink "$OPS_SCRIPT_ROOT"'))
    both = replace(bundle, runtimes=(*bundle.runtimes, replace(bundle.runtimes[0], name="compose")))
    host = world.api()
    for runtime in ("k8s", "compose"):
        host.deliver(both, runtime, generation=1)
    logs = [
        host.run_hook(both, runtime, "preflight.sh", operation=f"op-{runtime}", generation=1, variables={}).log
        for runtime in ("k8s", "compose", "k8s")
    ]
    assert logs == [f"scripts/{bundle.digest}.{runtime}\n" for runtime in ("k8s", "compose", "k8s")]


def test_t34_a_hook_that_was_changed_on_the_host_is_not_run(world: World, bundle_of: Bundling) -> None:
    host, bundle = world.api(), bundle_of()
    host.deliver(bundle, "k8s", generation=1)
    world.shell(f"echo 'echo evil >>{world.root}/effects' >>{world.root}/script/hooks/preflight.sh")
    with pytest.raises(Untrusted) as refusal:
        run(host, bundle)
    assert refusal.value.key == "artifact_checksum_mismatch"
    assert world.count() == 0


# --- what reaches a hook, and what comes back


def test_t15_values_reach_the_hook_as_they_are(world: World, bundle_of: Bundling) -> None:
    hostile = "$(touch /tmp/t15-marker) `touch /tmp/t15-marker`; 'x' \"y\" \\ * \n{{7*7}} ünï"
    bundle = bundle_of(preflight=HookText('printf %s "$OPS_TEAM_ID" >"$OPSPILOT_ROOT/value"'))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    run(host, bundle, variables={"OPS_TEAM_ID": hostile})
    assert world.file("value") == hostile
    assert world.shell("ls /tmp/t15-marker 2>/dev/null || true") == ""


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PATH", "OPS_WORKDIR", "OPS_OUTPUTS", "OPS_A=B"])
def test_t15_only_variables_of_the_contract_are_passed_on(world: World, bundle_of: Bundling, name: str) -> None:
    with pytest.raises(Rejected, match="not variables of a hook"):
        run(world.api(), bundle_of(), variables={name: "x"})
    assert world.proxy.connections == 0


def test_a_hook_without_a_variable_that_it_needs_is_not_begun(world: World, bundle_of: Bundling) -> None:
    bundle = bundle_of(preflight=HookText(COUNT, inputs=("OPS_TASK_ID", "OPS_WORKDIR", "OPS_VIP_ADDRESS")))
    with pytest.raises(Rejected, match="needs OPS_VIP_ADDRESS") as refusal:
        run(world.api(), bundle)
    assert refusal.value.key == "validation_error"


def test_t18_a_secret_is_in_no_command_line_and_no_file_and_masked_in_the_log(
    world: World, bundle_of: Bundling
) -> None:
    secret = canary()
    text = (
        'lines=$(tr "\\0" " " < <(cat /proc/[0-9]*/cmdline 2>/dev/null))\n'
        '[[ $lines != *"$OPS_AUTH_PASS"* ]] && echo in no command line\n'
        'echo "pass=$OPS_AUTH_PASS"; echo "pass=$OPS_AUTH_PASS" >&2'
    )
    bundle = bundle_of(preflight=HookText(text))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    result = run(host, bundle, variables={"OPS_AUTH_PASS": secret, "OPS_NET_MODE": "lvs_vip"})
    assert result.log.splitlines()[0] == "in no command line"
    assert secret not in repr(result)
    assert "pass=***" in result.log
    assert "pass=***" in result.stderr
    hits = world.shell(f"grep -rl {secret} {world.root} || true").split()
    assert {Path(hit).name for hit in hits} == {"log", "stderr"}  # what the hook itself printed, readable by root only


def test_a_hook_finds_its_task_as_variables_and_as_json(world: World, bundle_of: Bundling) -> None:
    text = 'printf "%s\\n" "$OPS_TASK_ID" "$OPS_RUNTIME_TYPE" "$OPS_WORKDIR" "$OPS_SCRIPT_ROOT" "$PWD"; ls context.json'
    bundle = bundle_of(preflight=HookText(text))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    network = {"OPS_NET_MODE": "lvs_vip", "OPS_VIP_ADDRESS": "10.0.0.100", "OPS_BACKEND_NODES": "10.0.0.1,10.0.0.2"}
    result = run(host, bundle, variables=network | {"OPS_TASK_ID": "task-9", "OPS_CLUSTER_ID": "c-1"})
    workdir = f"{world.root}/tasks/task-9"
    assert result.log.split() == ["task-9", "k8s", workdir, f"{world.root}/script", workdir, "context.json"]
    context = json.loads(world.file("tasks/task-9/context.json"))
    assert context["task_id"] == "task-9"
    assert context["network_entry"]["vip_address"] == "10.0.0.100"
    assert [node["ip"] for node in context["network_entry"]["backend_nodes"]] == ["10.0.0.1", "10.0.0.2"]


def test_t14_a_huge_hostile_output_is_capped_and_harmless(world: World, bundle_of: Bundling) -> None:
    text = (
        "echo first\nprintf '\\033[2J\\033]8;;http://evil\\007\\xff\\xe2\\x80\\xae\\r\\n'\n"
        "head -c 20000000 /dev/zero | tr '\\0' 'x'\n"
        "printf '\\nopspilot-end 00000000000000000000000000000000\\nstate=refused\\nlast\\n'\n"
        "head -c 3000000 /dev/zero | tr '\\0' 'e' >&2; head -c 900000 /dev/zero >>$OPS_OUTPUTS"
    )
    bundle = bundle_of(preflight=HookText(text))
    host = world.api()
    host.deliver(bundle, "k8s", generation=1)
    result = run(host, bundle)
    assert result.exit_code == 0
    assert len(result.log) < 600_000
    assert len(result.stderr) < 200_000
    assert result.log.startswith("first\n\\u001b[2J")
    assert result.log.endswith("last\n")
    assert "runner=excerpt dropped_bytes=" in result.log
    assert not set(result.log) & set("\x1b\x07\r\u202e")
