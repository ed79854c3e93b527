"""At which addresses an environment is reached (G3): one spelling for each, so that two names of a place are one."""

from typing import Any

import pytest

from reconciler.names import POLICY, UnitRef
from reconciler.plan.sharing import addresses, by_environment, scopes, sharing
from reconciler.specs.desired import Desired
from reconciler.specs.kinds import Kind
from tests.plan.said import access, cluster, environment, said

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFMvA2U8YqbDFFrcwxh8NkzfuLuN6adUTnNug+xSlCxK"


def reached(*listed: str, **body: Any) -> frozenset[str]:
    """Where an environment is reached whose one cluster's credential may go to these addresses."""
    specs = {"one-access": access(addresses=list(listed)), "other": access("other", addresses=["10.9.9.9"])}
    return addresses(Desired(clusters={"one": cluster(**body)}, credentials=specs), "dev")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("https://api.example", "api.example:443"),
        ("https://API.example:6443", "api.example:6443"),
        ("https://[fd00::1]:6443", "fd00::1:6443"),
        ("10.0.0.1", "10.0.0.1:443"),
        ("10.0.0.1:6443", "10.0.0.1:6443"),
        ("api.example:6443", "api.example:6443"),
        ("fd00::1", "fd00::1:443"),
        ("::1", "::1:443"),
        ("[fd00::1]:6443", "fd00::1:6443"),
    ],
)
def test_g3_an_address_is_a_host_and_a_port_however_it_is_written(text: str, place: str) -> None:
    assert reached(text) == {place}


def test_g3_every_address_of_the_own_credential_counts_where_no_endpoint_is_said() -> None:
    assert reached("10.0.0.1", "10.0.0.2:6443") == {"10.0.0.1:443", "10.0.0.2:6443"}
    assert reached("10.0.0.1", endpoint="https://10.0.0.3") == {"10.0.0.3:443"}


@pytest.mark.parametrize("body", [{}, {"credential": "of-nobody"}])
def test_g3_a_cluster_without_an_address_is_itself(body: dict[str, str]) -> None:
    assert reached(**body) == {"cluster:one"}


def test_g3_a_node_is_reached_at_its_port_and_known_by_its_key() -> None:
    nodes = [{"host": "h1", "role": "compose_manager"}, {"host": "unknown", "role": "compose_worker"}]
    hosts = {"h1": said(Kind.HOST, "h1", address="M.example", port=2222, credential="ssh", hostKey=f"{KEY} me@there")}
    managed = environment(runtimeType="compose", mode="platform_managed", nodes=nodes, bundle={"version": "v1"})
    assert addresses(Desired(environments={"dev": managed}, hosts=hosts), "dev") == {"m.example:2222", f"key:{KEY}"}


def test_g3_nobody_shares_a_target_with_the_policy() -> None:
    assert sharing(POLICY, [Desired(environments={"dev": environment()}, clusters={"one": cluster()})]) == {POLICY}


def test_g3_the_scopes_that_are_asked_are_in_order() -> None:
    names = ["c", "a", "d", "b", "f", "e", "g"]
    sides = [Desired(environments={name: environment(name, project="p", team=name)}) for name in names]
    assert scopes(names, sides) == tuple(("p", name, name) for name in sorted(names))


def test_units_are_grouped_by_environment_in_order() -> None:
    names = ["c", "a", "d", "b"]
    refs = [UnitRef.parse(f"release/{name}") for name in names]
    grouped = by_environment(refs, [*((ref, "x") for ref in refs), (refs[0], "later"), (refs[1], "first")])
    assert list(grouped) == ["first", "later", "x"]
    assert grouped["x"] == tuple(sorted(refs[2:]))
