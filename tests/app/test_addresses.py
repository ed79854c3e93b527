"""Which targets somebody has to accept before they are looked at: another key at a known place is another one (G4)."""

import pytest

from reconciler.app.addresses import new_targets
from tests.story.conftest import stage
from tests.story.stage import Stage

__all__ = ["stage"]
OLD, NEW, BARE = "h:22 sha256:a", "h:22 sha256:b", "h:22"


@pytest.mark.parametrize(
    ("known", "listed", "wanted", "new"),
    [
        (set(), set(), OLD, True),
        ({OLD}, set(), OLD, False),
        ({OLD}, set(), NEW, True),
        (set(), {BARE}, OLD, False),
        ({OLD}, {BARE}, OLD, False),
        ({OLD}, {BARE}, NEW, True),  # what is listed accepts the first key that comes, and no other
        ({BARE}, {BARE}, OLD, True),
        ({OLD}, {BARE}, BARE, True),
        ({OLD, NEW}, set(), NEW, False),
    ],
)
def test_another_key_at_a_known_place_is_a_new_target(
    known: set[str], listed: set[str], wanted: str, *, new: bool
) -> None:
    assert bool(new_targets({wanted}, known, listed)) is new


def test_g4_a_cluster_with_another_authority_is_not_connected_to_until_somebody_accepts_it(stage: Stage) -> None:
    cluster, other = stage.world.clusters["staging"], stage.world.clusters["prod"]
    path = "clusters/clusters.yaml"
    text = stage.world.example()[path]
    old, new = (pem.strip().replace("\n", "\n    ") for pem in (cluster.ca_pem, other.ca_pem))
    assert old in text
    requests = stage.world.sandbox("staging").requests
    asked = requests.total()
    number = stage.propose({path: text.replace(old, new)}, branch="re-keyed")
    assert stage.preview(number).previewed.static
    assert requests.total() == asked
    stage.approve(number, login="admin")
    assert not stage.preview(number).previewed.static
    checks = [check for plan in stage.plans(number).plans for check in plan.blocked]
    assert checks  # it was asked under the other authority, and is not who that one speaks for
