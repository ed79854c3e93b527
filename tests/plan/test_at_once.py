"""Jobs that would run at once though somebody names them for a moment of their own: refused before anybody approves."""

from dataclasses import replace
from typing import Any

import pytest

from reconciler.names import UnitKind, UnitRef
from reconciler.plan.change import Plan
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.release_source import ReleaseSource
from reconciler.specs.rendering import Unrendered
from tests.plan.test_way_back import BACK, JOB, MIGRATE, back, left_by, looked, stepped
from tests.plan.world import WEB, Files, cluster, environment, plan, release, seen

NEXT = "apps/web/job.yaml"
DOWN = "Job.batch web/down"
STEP = f", rollback: {{steps: [{MIGRATE}, {BACK}]}}"
HOOK = ", hooks: [{name: it, when: before, job: down}]"
NAMES = {"a step": (STEP, "rollback.steps"), "a hook": (HOOK, "hooks")}
STAGED = {
    "staging.yaml": environment("staging", "staging"),
    "two.yaml": cluster("two", "staging", "https://10.0.0.2:6443"),
}
OTHER = UnitRef(UnitKind.RELEASE, "other")
AWAY = Unrendered("k8s_binary_missing", "the tool is missing")
ARGS = 'image: "registry.example/db:v1"', 'image: "registry.example/db:v9", args: [up]'


def told(made: Plan) -> list[str]:
    """What is said without keeping anybody."""
    return [one.message for one in made.checks if one not in made.blocked and "run at once" in one.message]


def refused(made: Plan) -> list[str]:
    found = [check for check in made.blocked if "run at once" in check.message or "once more" in check.message]
    assert {(check.key, "out of the source" in check.hint) for check in found} <= {("release_state_invalid", True)}
    return [check.message for check in found]


def words(unit: str, who: str, job: str = DOWN) -> str:
    return f"release/{unit}: {job} would run at once, as any object that is made: {who}, and this release does not"


@pytest.mark.parametrize(("more", "where"), NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("static", [False, True], ids=["looked at", "compared"])
def test_what_the_version_before_names_is_not_left_in_the_source(
    files: Files,
    more: str,
    where: str,
    static: bool,  # noqa: FBT001
) -> None:
    old = files.but({"web.yaml": release("web", more=more), NEXT: JOB})
    new = old.but({"web.yaml": release("web")}).edited("apps/web/deployment.yaml", "web:v1", "web:v2")
    looks: dict[str, Any] = {"observed": None} if static else {}
    said = told if where == "hooks" else refused
    assert said(plan(new.good, old.good, **looks)) == [words("web", f"the version before names it in {where}")]
    nothing = plan(new.but({NEXT: None}).good, old.good, **looks)
    assert (told(nothing), refused(nothing)) == ([], [])


def test_a_revert_by_hand_that_leaves_it_there_is_refused_and_one_that_takes_it_out_is_not(files: Files) -> None:
    new = stepped(files, MIGRATE, BACK, asks="[]")
    assert refused(back(files.but({NEXT: JOB}), new)) == [words("web", "the version before names it in rollback.steps")]
    assert refused(back(files, new)) == []


@pytest.mark.parametrize("which", ["otherwise", "leaving"])
def test_what_runs_counts_where_another_version_was_accepted_last(files: Files, which: str) -> None:
    runs, last = stepped(files, MIGRATE, BACK, asks="[]"), files.edited("apps/web/deployment.yaml", "web:v1", "web:v3")
    known: dict[str, Any] = {"otherwise": {WEB: runs.good}, "leaving": {WEB: left_by(runs)}}
    made = plan(files.but({NEXT: JOB}).good, last.good, **{which: known[which]})
    assert refused(made) == [words("web", "the version before names it in rollback.steps")]
    assert refused(plan(files.but({NEXT: JOB}).good, last.good)) == []


@pytest.mark.parametrize("first", [True, False], ids=["a first version", "a next one"])
@pytest.mark.parametrize(("more", "where"), NAMES.values(), ids=NAMES)
def test_a_release_that_shares_the_folder_names_it_too(
    files: Files,
    more: str,
    where: str,
    first: bool,  # noqa: FBT001
) -> None:
    names = files.but({**STAGED, "web.yaml": release("web", more=more), NEXT: JOB})
    new = names.but({"other.yaml": release("other", "staging", "two", path="apps/web")}).good
    old = files.but({**STAGED, "other.yaml": release("other", "staging", "two", path="apps/web")})
    made = plan(new, None if first else old.good, env="staging")
    said = told if where == "hooks" else refused
    assert said(made) == [words("other", f"release web names it in {where}")]
    both = names.but({"other.yaml": release("other", "staging", "two", path="apps/web", more=more)}).good
    nothing = plan(both, None if first else old.good, env="staging")
    assert (told(nothing), refused(nothing)) == ([], [])


@pytest.mark.parametrize("more", [STEP, HOOK], ids=["a step", "a hook"])
def test_another_job_of_the_image_of_one_that_both_name_is_another_one(files: Files, more: str) -> None:
    other = release("other", "staging", "two", path="apps/web", more=more)
    old = files.but({**STAGED, "web.yaml": release("web", more=more), "other.yaml": other, NEXT: JOB})
    seed = JOB.replace("name: down", "name: seed").replace("image:", "env: [{name: MODE, value: seed}], image:")
    new = old.but({"apps/web/seed.yaml": seed})
    for env in ("dev", "staging"):
        made = plan(new.good, old.good, env=env)
        assert (told(made), refused(made)) == ([], [])


# what the other release's Job is, where it has a folder of its own, and whether it is the one that `web` names
COPIES: dict[str, tuple[str, bool]] = {
    "the same, of another version": (JOB.replace("db:v1", "db:v9"), True),
    "with settings of its own": (JOB.replace("image:", "env: [{name: A, value: b}], image:"), True),
    "another one of that name": (JOB.replace(*ARGS), False),
    "another name": (JOB.replace("name: down", "name: staging-down"), False),
}


@pytest.mark.parametrize(("job", "same"), COPIES.values(), ids=COPIES)
def test_a_copy_of_it_is_the_same_by_its_name_and_by_what_it_does(files: Files, job: str, same: bool) -> None:  # noqa: FBT001
    new = files.but({"web.yaml": release("web", more=STEP), NEXT: JOB})
    new = new.but({"other.yaml": release("other"), "apps/other/all.yaml": job})
    assert refused(plan(new.good, files.good)) == (
        [words("other", "release web names it in rollback.steps")] if same else []
    )


def test_another_name_in_each_release_hides_nothing_of_one_file(files: Files) -> None:
    text = JOB.replace("name: down", 'name: "${who}-down"')
    named = STEP.replace("job: down", "job: web-down") + ", variables: {who: web}"
    new = files.but({"web.yaml": release("web", more=named), NEXT: text})
    other = release("other", path=NEXT, more=", variables: {who: other}")
    (message,) = refused(plan(new.but({"other.yaml": other}).good, files.good))
    assert message == words("other", "release web names it as web-down in rollback.steps", "Job.batch web/other-down")


def test_who_cannot_be_read_now_counts_as_it_was_accepted(files: Files) -> None:
    was = files.but({**STAGED, "web.yaml": release("web", more=STEP), NEXT: JOB}).good
    new = files.but(
        {**STAGED, "web.yaml": None, NEXT: JOB, "other.yaml": release("other", "staging", "two", path="apps/web")}
    )
    asked: dict[str, Any] = {"env": "staging"}
    assert refused(plan(new.side, None, **asked, neighbours=(was.desired,))) == [
        words("other", "release web names it in rollback.steps")
    ]
    sources = {
        "web": ReleaseSource(SourceKind.MANIFESTS, "apps/web", was.desired.sources["web"].files, unrendered=AWAY)
    }
    unread = replace(was.desired, sources=sources)
    assert len(refused(plan(new.side, None, **asked, neighbours=(unread,)))) == 1
    assert refused(plan(new.side, None, **asked, neighbours=(files.good.desired,))) == []


def test_what_stands_as_an_object_of_the_release_is_not_made_and_is_let_be(files: Files) -> None:
    files = files.but({**STAGED, "other.yaml": release("other", "staging", "two", path="apps/web"), NEXT: JOB})
    new = files.but({"web.yaml": release("web", more=STEP)})
    new = new.edited("apps/web/deployment.yaml", "web:v1", "web:v2")
    assert refused(plan(new.good, files.good, env="staging", units=[OTHER])) == []
    gone = seen(new.good, files.but({NEXT: None}).good)
    assert len(refused(plan(new.good, files.good, env="staging", units=[OTHER], observed=gone))) == 1


def test_a_granted_return_runs_no_hooks_and_makes_what_the_old_version_made(files: Files) -> None:
    """Who named its Job in hooks since goes back all the same; one of a step is not run forwards by its own return."""
    old = files.but({NEXT: JOB})
    for more, found in ((HOOK, 0), (STEP, 1)):
        new = old.but({"web.yaml": release("web", more=more)})
        made = plan(old.good, new.side, returning=True, observed=seen(old.good, new.side))
        assert len(refused(made)) == found
    other = release("other", "staging", "two", path="apps/web")
    named = old.but({**STAGED, "web.yaml": release("web", more=HOOK), "other.yaml": other})
    new = named.but({"other.yaml": release("other", "staging", "two", path="apps/web", more=HOOK)})
    looks: dict[str, Any] = {"env": "staging", "units": [OTHER], "observed": seen(named.good, new.good)}
    made = plan(named.good, new.side, returning=True, **looks)
    assert (told(made), refused(made)) == ([], [])


def test_a_job_that_the_version_before_applied_is_no_step_before_it_left_the_source(files: Files) -> None:
    old = files.but({NEXT: JOB})
    message = f"release/web: going back would run {DOWN} once more: it is an ordinary object of the version before"
    new = stepped(old, MIGRATE, BACK, asks="[]").good
    assert refused(plan(new, old.good, observed=looked(new, old.good))) == [message]
    assert refused(plan(new, files.good, observed=looked(new, files.good))) == []
