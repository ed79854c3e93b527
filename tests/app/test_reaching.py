"""Whose spec of a cluster a connection is made by: what was accepted last, in the project that was accepted last."""

from dataclasses import dataclass

from reconciler.app.reaching import Reach
from reconciler.machine.entry import Accepted
from reconciler.machine.ledger import Ledger, UnitState
from reconciler.names import Digest, Revision, UnitKind, UnitRef
from reconciler.plan.make import Side
from reconciler.specs.desired import Desired
from tests.plan.conftest import files, reader
from tests.plan.world import Files, cluster, environment, spec

__all__ = ["files", "reader"]
ONE, DEV = UnitRef(UnitKind.CLUSTER, "one"), UnitRef(UnitKind.ENVIRONMENT, "dev")


@dataclass
class Past:
    """Revisions by number, and which of them each unit was accepted at."""

    sides: list[Side]

    def reach(self, **accepted: tuple[int | None, int | None]) -> Reach:
        """By unit, the accepted and the last successful revision; None for the accepted one: it was removed."""
        ledger = Ledger()
        for name, (last, well) in accepted.items():
            unit = str({"cluster": ONE, "home": DEV}[name])
            stands = self._at(unit, last if last is not None else 0, removed=last is None)
            success = self._at(unit, well) if well is not None else None
            ledger.units[unit] = UnitState(stands, "dev", 1, "applied", success)
        return Reach(lambda: ledger, lambda revision: self.sides[int(revision)])

    @staticmethod
    def _at(unit: str, number: int, *, removed: bool = False) -> Accepted:
        return Accepted(unit=unit, artifact=Digest(""), revision=Revision(str(number)), removed=removed)


def past(files: Files) -> tuple[Past, list[Desired]]:
    """First as ever; then at another address; then the environment is in another project."""
    moved = files.but({"cluster.yaml": cluster("one", "dev", "https://10.0.0.2:6443")})
    project = spec("Project", "other", "{}")
    handed = moved.but({"env.yaml": environment("dev", more=", project: other"), "project.yaml": project})
    found = Past([one.side for one in (files, moved, handed)])
    return found, [side.desired for side in found.sides]


def endpoint(desired: Desired) -> str:
    return desired.clusters["one"].spec.endpoint or ""


def test_what_was_accepted_last_counts_and_not_the_side_of_the_release(files: Files) -> None:
    made, (first, moved, _) = past(files)
    reach = made.reach(cluster=(1, 0), home=(0, 0))
    assert endpoint(reach.side("one", (first,))) == endpoint(moved)
    assert endpoint(made.reach(cluster=(0, 0)).side("one", (moved,))) == endpoint(first)  # never what is on the branch


def test_a_plan_that_holds_the_connection_looks_over_the_proposed_one(files: Files) -> None:
    made, (_, moved, _) = past(files)
    assert made.reach(cluster=(0, 0)).side("one", (moved,), {ONE: moved}) is moved


def test_what_nobody_accepted_yet_is_as_its_own_side_says(files: Files) -> None:
    made, (_, moved, _) = past(files)
    assert made.reach().side("one", (moved,)) is moved


def test_one_that_leaves_is_reached_as_it_was(files: Files) -> None:
    made, (first, moved, _) = past(files)
    gone = Desired(environments=first.environments)
    assert endpoint(made.reach(cluster=(None, 1)).side("one", (gone, first))) == endpoint(moved)
    assert made.reach(cluster=(None, None)).side("one", (gone, first)) is first


def test_g4_the_project_is_the_one_that_the_environment_was_accepted_in_last(files: Files) -> None:
    made, (first, _, handed) = past(files)
    reach = made.reach(cluster=(0, 0), home=(2, 0))
    found = reach.side("one", (first,))
    assert endpoint(found) == endpoint(first)
    assert found.environments["dev"] is handed.environments["dev"]  # the vault refuses the old project's credential
    assert reach.side("one", (first,), {DEV: first}).environments["dev"].spec.project == "default"
