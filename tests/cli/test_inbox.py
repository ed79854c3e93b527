"""The inbox: every filter of the contract, and what a person may not see does not exist (C-13, C-14)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.world import World
from tests.cli.conftest import Place
from tests.story.clock import MovableClock
from tests.story.stage import Stage

OUTSIDER = """\
---
apiVersion: opspilot.spec/v1
kind: User
metadata: {name: outsider}
spec: {}
"""
BINDING = """\
---
apiVersion: opspilot.spec/v1
kind: RoleBinding
metadata: {name: outsiders}
spec:
  role: admin
  subjects: [{user: outsider}]
  scope: {project: proj-beta}
"""
BETA = """\
---
apiVersion: opspilot.spec/v1
kind: Project
metadata: {name: proj-beta}
spec: {teams: [team-app]}
"""


@dataclass(slots=True)
class WorldWithAnOutsider(World):
    """Somebody who is an admin, of another project."""

    def example(self) -> dict[str, str]:
        files = World.example(self)
        files["policy/users.yaml"] += OUTSIDER
        files["policy/bindings.yaml"] += BINDING
        files["policy/project.yaml"] += BETA
        return files


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The first plan waits."""
    folder = tmp_path_factory.mktemp("asked")
    clock = MovableClock()
    stage = Stage.on(WorldWithAnOutsider(folder / "world", clock=clock, hosts_wanted=()), clock)
    try:
        stage.settle()
        with pytest.MonkeyPatch.context() as patch:
            yield Place(stage, folder, patch)
    finally:
        stage.world.close()


def tickets(place: Place, *words: str, login: str = "approver_user") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.person(login).well("inbox", *words, "-o", "json").json["tickets"]
    return found


def test_a_ticket_has_every_field_of_the_contract(asked: Place) -> None:
    (ticket,) = tickets(asked)
    fields = (
        "ticket scope_type scope_id project team environment runtime_type risk_level priority status requested_by "
        "assigned_to required_role source summary expires_at sla_due_at approved_at approved_by rejected_at "
        "rejected_by created_at updated_at ref digest"
    )
    assert set(fields.split()) <= set(ticket)
    assert ticket["ref"] == f"{ticket['ticket']}@{ticket['digest'][:12]}"


@pytest.mark.parametrize(
    ("words", "there"),
    [
        (("--view", "pending"), True),
        (("--view", "all"), True),
        (("--status", "pending"), True),
        (("--status", "approved"), False),
        (("--status", "approved", "--status", "pending"), True),
        (("--scope-type", "release"), True),
        (("--scope-type", "policy"), False),
        (("--project", "proj-alpha"), True),
        (("--project", "proj-beta"), False),
        (("--team", "team-app"), True),
        (("--team", "nobody"), False),
        (("--environment", "env-staging"), True),
        (("--environment", "nowhere"), False),
        (("--runtime-type", "k8s"), True),
        (("--runtime-type", "compose"), False),
        (("--risk", "high"), True),
        (("--risk", "low"), False),
        (("--priority", "p1"), True),
        (("--priority", "p3"), False),
        (("--requested-by", "admin"), True),
        (("--requested-by", "dev_user"), False),
        (("--assigned-to", "dev_user"), False),
        (("--due", "1h"), True),
        (("--due", "15m"), False),
        (("--text", "ENV-STAGING"), True),
        (("--text", "nothing like it"), False),
        (("--page", "2"), False),
        (("--sort", "created_at", "--desc"), True),
    ],
)
def test_filters(asked: Place, words: tuple[str, ...], there: bool) -> None:  # noqa: FBT001  a column of the table
    assert bool(tickets(asked, *words)) is there


def test_c13_tickets_of_another_project_do_not_exist(asked: Place) -> None:
    found = asked.person("approver_user").well("inbox", "--view", "all", "-o", "json").json
    assert (found["total"], found["stats"]["pending"]) == (1, 1)
    path = asked.stage.world.folder / "keys" / "outsider"
    if not path.exists():
        path.write_text("", encoding="utf-8")  # looking needs no key that signs
    words = ("--repo", str(asked.stage.world.origin), "--as", "outsider")
    reader = asked.reader
    reader.defaults = words
    hidden = reader.well("inbox", "--view", "all", "-o", "json").json
    assert (hidden["total"], hidden["tickets"], hidden["stats"]) == (
        0,
        [],
        {"pending": 0, "overdue": 0, "expiring": 0},
    )


def test_c14_counts_are_those_of_the_tickets(asked: Place) -> None:
    found = asked.person("approver_user").well("inbox", "--view", "all", "-o", "json").json
    assert found["total"] == len(found["tickets"])
    assert found["stats"]["pending"] == sum(one["status"] == "pending" for one in found["tickets"])


def test_nobody_in_particular_sees_no_inbox(asked: Place) -> None:
    seen = asked.reader.type("inbox")
    assert seen.code == 2
    assert "permission_denied" in seen.err


def test_the_key_says_who_looks(asked: Place) -> None:
    key = asked.stage.world.folder / "keys" / "approver_user"
    reader = asked.reader
    reader.defaults = ("--repo", str(asked.stage.world.origin), "--key", str(key))
    assert len(reader.well("inbox", "-o", "json").json["tickets"]) == 1


def test_a_root_signer_sees_what_waits_before_there_is_anybody_else(asked: Place) -> None:
    key: Path = asked.stage.world.folder / "keys" / "root"
    assert len(asked.operator.well("inbox", "--key", str(key), "-o", "json").json["tickets"]) == 1


def test_a_table_tells_the_reference_and_the_counts(asked: Place) -> None:
    seen = asked.person("approver_user").well("inbox")
    (ticket,) = tickets(asked)
    assert ticket["ref"] in seen.out
    assert "pending 1, overdue 0" in seen.err
