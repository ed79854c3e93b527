"""The audit branch in a repository of its own (G1, G24): the same story, and each of the two away while the other is
there."""

import itertools
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.app.rollouts import _Run
from reconciler.app.settings import FILE_NAME, load_settings
from reconciler.app.wiring import Assembly, assemble
from reconciler.approval.decision import Verb
from reconciler.errors import Unavailable, Untrusted
from reconciler.git.audit_branch import AUDIT
from reconciler.git.bare import BareRepository
from reconciler.git.mirror import Mirror, Moved
from reconciler.git.transport import Transport
from reconciler.names import Revision
from tests.cli.terminal import Terminal
from tests.git.world import git
from tests.story.prepared import Moment, Prepared
from tests.story.stage import DEPLOYMENT, Stage

APPLY = "reconciler/apply: env-k8s-prod"
CONFIG = "/api/v1/namespaces/svc-a/configmaps/svc-a"


APART = Moment(audit_apart=True)


@pytest.fixture(scope="module")
def stage(prepared: Prepared) -> Iterator[Stage]:
    """One for all that leave it as well as they found it; each proposes a version of its own."""
    with prepared.lend(APART) as lent:
        yield lent


@pytest.fixture
def own(prepared: Prepared) -> Iterator[Stage]:
    """One that only this test uses, and may break."""
    with prepared.lend(APART) as lent:
        yield lent


@pytest.fixture
def other(stage: Stage, tmp_path: Path) -> Iterator[Assembly]:
    """Another reconciler with the same keys and a state folder of its own."""
    home = tmp_path / "twin"
    shutil.copytree(stage.world.home, home, ignore=shutil.ignore_patterns("cache", "run.lock"))
    made = assemble(load_settings(home / FILE_NAME), stage.clock)
    yield made
    made.close()


def bare(stage: Stage, path: Path) -> BareRepository:
    return BareRepository(path, Transport(stage.world.folder / "git-home"))


def audit_mirror(assembly: Assembly) -> Mirror:
    return assembly.journal.branch._mirror


def hidden(path: Path) -> Path:
    """Take a repository away."""
    return path.rename(path.with_name(f"{path.stem}-away.git"))


VERSIONS = itertools.count(1)


def proposed(stage: Stage) -> tuple[int, str]:
    """A pull request that nobody approved yet, and the version that it brings."""
    tag = f"v3.0.{next(VERSIONS)}"
    return stage.propose(tag=tag), tag


def approved(stage: Stage) -> tuple[int, str]:
    number, tag = proposed(stage)
    stage.approve(number)
    return number, tag


def recorded(stage: Stage, number: int) -> None:
    """Merge, and let the plan be recorded and not begun."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Run, "go", lambda _run: None)
        stage.merge(number)
    assert stage.ledger.running()


def looked_in_vain(stage: Stage) -> None:
    """Some looks, each when it is time to try again."""
    for _ in range(3):
        with pytest.raises(Unavailable):
            stage.world.opened.reconciler.look()
        stage.clock.advance(timedelta(minutes=10))


def named(stage: Stage, lines: str) -> None:
    """Write another [audit] into reconciler.toml."""
    path = stage.world.home / FILE_NAME
    text = path.read_text(encoding="utf-8")
    before = f'[audit]\nrepository = "{stage.world.audit_origin}"\n'
    assert before in text
    path.write_text(text.replace(before, lines), encoding="utf-8")


# --- the same story


def test_the_story_is_told_in_the_audit_repository_and_nowhere_else(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, tag = approved(stage)
    merged = stage.merge(number)
    assert stage.image() == tag
    assert stage.statuses(merged)[APPLY][0] == "success"
    assert bare(stage, stage.world.origin).ref(AUDIT) is None
    there = bare(stage, stage.world.audit_origin)
    assert there.ref(AUDIT) == stage.world.opened.journal.branch.tip()
    assert set(there.objects.references) == {AUDIT}
    terminal = Terminal(tmp_path / "seat", monkeypatch, ("--config", str(stage.world.home / FILE_NAME)))
    terminal.folder.mkdir()
    checked = terminal.well("audit", "verify", "-o", "json").json
    assert (checked["tip"], checked["findings"]) == (there.ref(AUDIT), [])
    told = [row["action"] for row in terminal.well("timeline", "--release", "svc-a", "-o", "json").json]
    assert "applied" in told
    assert terminal.well("get", "release", "-o", "json").json
    assert terminal.well("--as", "admin", "inbox", "-o", "json").json is not None
    rows = terminal.type("doctor", "-o", "json").json
    assert {"setting": "audit", "value": str(stage.world.audit_origin), "source": FILE_NAME} in rows["settings"]
    assert any(one["name"] == "audit repository" and one["status"] == "ok" for one in rows["checks"])


def test_who_names_the_repository_alone_names_the_audit_repository_by_a_variable(stage: Stage, tmp_path: Path) -> None:
    from reconciler.doors.reading import Where, read, settings_of

    where = Where(repository=str(stage.world.origin))
    seat = {"HOME": str(tmp_path / "seat"), "XDG_CACHE_HOME": str(tmp_path / "seat")}
    found = read(settings_of(where, {**seat, "RECONCILER_AUDIT_REPOSITORY": str(stage.world.audit_origin)}))
    assert found.ledger.trusted == stage.ledger.trusted
    assert found.audit == stage.world.opened.journal.branch.tip()


def test_at_rest_a_look_costs_one_request_more(stage: Stage) -> None:
    opened = stage.world.opened
    audit = audit_mirror(opened)
    opened.reconciler.look()
    before = (opened.mirror.poller.requests, audit.poller.requests, audit.fetches, opened.mirror.fetches)
    opened.reconciler.look()
    now = (opened.mirror.poller.requests, audit.poller.requests, audit.fetches, opened.mirror.fetches)
    assert [one - then for one, then in zip(now, before, strict=True)] == [1, 1, 0, 0]


def test_mirrors_that_were_deleted_are_made_again_and_lose_nothing(stage: Stage) -> None:
    stage.merge(approved(stage)[0])
    known = stage.ledger
    shutil.rmtree(stage.world.home / "state" / "cache")
    stage.restart()
    assert stage.ledger == known
    assert not stage.settle()


# --- two reconcilers


def test_two_reconcilers_on_one_audit_repository_do_everything_once(stage: Stage, other: Assembly) -> None:
    effects = stage.effects()
    number, tag = proposed(stage)
    other.reconciler.settle()
    stage.approve(number)
    other.reconciler.settle()
    merged = stage.merge(number, settle=False)
    other.reconciler.settle()
    stage.settle()
    assert stage.image() == tag
    written = Counter(one.path for one in stage.world.sandbox("prod").real_effects[effects:])
    assert [written[path] for path in (CONFIG, f"/{DEPLOYMENT}")] == [1, 1]
    assert stage.statuses(merged)[APPLY][0] == "success"
    told = Counter(stage.actions(ticket=number, release="svc-a"))
    assert told["applying"] == told["applied"] == 1


def test_what_another_reconciler_records_between_the_two_polls_is_no_rewritten_history(
    stage: Stage, other: Assembly, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It records that it saw a commit which a mirror polled before does not have yet."""
    number, tag = approved(stage)
    ours = {id(stage.world.opened.mirror), id(audit_mirror(stage.world.opened))}
    polled: list[Mirror] = []
    honest = Mirror.sync

    def sync(mirror: Mirror) -> Moved:
        found = honest(mirror)
        if id(mirror) in ours and not polled:
            polled.append(mirror)
            stage.merge(number, settle=False)
            other.reconciler.settle()
        return found

    monkeypatch.setattr(Mirror, "sync", sync)
    stage.world.opened.reconciler.look()
    assert polled
    assert stage.ledger.stopped is None
    assert not stage.settle()
    assert stage.image() == tag


# --- one of the two away (G24)


@pytest.mark.parametrize("which", ["audit_origin", "origin"])
def test_g24_while_one_is_away_a_recorded_plan_is_finished(stage: Stage, which: str) -> None:
    number, tag = approved(stage)
    recorded(stage, number)
    place: Path = getattr(stage.world, which)
    gone = hidden(place)
    looked_in_vain(stage)
    assert stage.image() == tag
    branch = stage.world.opened.journal.branch
    assert bool(branch.pending()) is (which == "audit_origin")
    gone.rename(place)
    assert not stage.settle()
    assert stage.ledger.units["release/svc-a"].outcome == "applied"
    assert stage.statuses(stage.tip())[APPLY][0] == "success"
    assert (branch.verify(), branch.pending()) == ((), ())
    assert bare(stage, stage.world.audit_origin).ref(AUDIT) == branch.tip()


def test_g24_a_hold_works_while_the_audit_is_away_and_is_kept_there_later(stage: Stage) -> None:
    number, tag = approved(stage)
    before = stage.image()
    recorded(stage, number)
    stage.desk("dev_user").order("release/svc-a", Verb.HOLD, reason="wait")
    gone = hidden(stage.world.audit_origin)
    looked_in_vain(stage)
    assert stage.image() == before
    assert "release/svc-a" in stage.ledger.holds
    gone.rename(stage.world.audit_origin)
    stage.settle()
    branch = stage.world.opened.journal.branch
    assert (branch.verify(), branch.pending()) == ((), ())
    assert stage.image() == before
    stage.desk("dev_user").order("release/svc-a", Verb.RESUME, reason="go on")
    stage.settle()
    assert stage.image() == tag


def test_g24_while_the_audit_is_away_nothing_else_that_people_ask_for_is_heard(stage: Stage) -> None:
    before = (stage.image(), stage.world.opened.journal.branch.pending())
    stage.desk("dev_user").order("release/svc-a", Verb.ROLLBACK, reason="another one")
    gone = hidden(stage.world.audit_origin)
    looked_in_vain(stage)
    assert (stage.image(), stage.world.opened.journal.branch.pending()) == before
    assert not stage.world.opened.forge.open_pull_requests()  # nor is a revert proposed
    gone.rename(stage.world.audit_origin)
    stage.clock.advance(timedelta(days=2))  # it comes too late then, so that the world is left as it was
    stage.settle()
    assert stage.image() == before[0]


def test_g24_while_the_audit_is_away_nothing_new_starts_and_then_it_does(stage: Stage) -> None:
    number, tag = approved(stage)
    before, effects = stage.image(), stage.effects()
    gone = hidden(stage.world.audit_origin)
    stage.merge(number, settle=False)
    looked_in_vain(stage)
    assert (stage.image(), stage.effects()) == (before, effects)
    gone.rename(stage.world.audit_origin)
    stage.settle()
    assert stage.image() == tag


def test_g24_a_tip_there_that_was_rewound_starts_nothing(own: Stage) -> None:
    number, _ = approved(own)
    older = own.world.opened.journal.branch.tip()
    assert older is not None
    own.merge(number, settle=False)
    effects = own.effects()
    there = bare(own, own.world.audit_origin)
    there.set_ref(AUDIT, Revision(str(there.commit(older).parents[0].parents[0].id)))
    with pytest.raises(Untrusted) as refused:
        own.settle()
    assert refused.value.key == "audit_diverged"
    assert str(own.world.audit_origin) in refused.value.message
    assert own.effects() == effects


# --- the setting changes


def test_g24_another_repository_is_refused_until_the_branch_is_there(own: Stage, tmp_path: Path) -> None:
    number, tag = approved(own)
    tip = own.world.opened.journal.branch.tip()
    elsewhere = tmp_path / "new-audit.git"
    made = BareRepository.create(elsewhere, Transport(own.world.folder / "git-home"))
    named(own, f'[audit]\nrepository = "{elsewhere}"\n')
    own.world.open()
    with pytest.raises(Untrusted) as refused:
        own.settle()
    assert refused.value.key == "audit_diverged"
    assert f"git push {elsewhere} {tip}:{AUDIT}" in refused.value.hint()
    assert made.ref(AUDIT) is None
    git(own.world.audit_origin, "push", str(elsewhere), f"{tip}:{AUDIT}")
    assert not own.settle()
    own.merge(number)
    assert own.image() == tag
    assert made.ref(AUDIT) == own.world.opened.journal.branch.tip()


def test_g24_going_back_to_the_shared_repository_is_refused_until_the_branch_is_there(own: Stage) -> None:
    tip = own.world.opened.journal.branch.tip()
    named(own, "")
    own.world.open()
    with pytest.raises(Untrusted, match="gone") as refused:
        own.settle()
    git(own.world.audit_origin, "push", *refused.value.hint().rpartition("git push ")[2].split())
    assert not own.settle()
    assert bare(own, own.world.origin).ref(AUDIT) == tip


def test_g24_with_records_that_were_not_pushed_yet_it_is_not_changed(own: Stage, tmp_path: Path) -> None:
    recorded(own, approved(own)[0])
    hidden(own.world.audit_origin)
    with pytest.raises(Unavailable):
        own.world.opened.reconciler.look()
    elsewhere = tmp_path / "new-audit.git"
    BareRepository.create(elsewhere, Transport(own.world.folder / "git-home"))
    named(own, f'[audit]\nrepository = "{elsewhere}"\n')
    own.world.open()
    with pytest.raises(Untrusted) as refused:
        own.settle()
    assert refused.value.key == "audit_diverged"
