"""What is left as it is while a release, or its whole environment, is suspended, and what lifting that plans."""

from dataclasses import replace

from reconciler.plan.change import Plan, Severity
from reconciler.plan.make import make_plan
from reconciler.plan.units import touched
from reconciler.specs.desired import Desired
from tests.plan.said import environment as environment_spec
from tests.plan.test_parts import of
from tests.plan.world import WEB, Files, ask, cluster, environment, keys, operations, plan, release, seen

NEXT = ("apps/web/deployment.yaml", "web:v1", "web:v2")
SUSPENDED = {"env.yaml": environment("dev", more=", suspend: true")}


def units(made: Plan) -> dict[str, bool]:
    return {unit.unit: unit.suspended for unit in made.units}


def test_all_of_a_suspended_environment_is_accepted_and_nothing_is_done(files: Files) -> None:
    made = plan(files.edited(*NEXT).but(SUSPENDED).good, files.good)
    assert units(made) == {"cluster/one": True, "environment/dev": True, "release/web": True}
    assert (made.changes, made.batches, keys(made)) == ((), (), [])
    told = {check.unit: check.message for check in made.checks if check.severity is Severity.WARNING}
    assert told == {
        "cluster/one": "environment dev is suspended: cluster/one is accepted, and not applied",
        "environment/dev": "environment dev is suspended: accepted, and not applied",
        "release/web": "environment dev is suspended: release/web is accepted, and not applied",
    }


def test_lifting_it_plans_what_changed_meanwhile(files: Files) -> None:
    meanwhile = files.edited(*NEXT)
    after = meanwhile.good
    lifted = plan(after, meanwhile.but(SUSPENDED).good, observed=seen(after, files.good))
    assert units(lifted) == {"cluster/one": False, "environment/dev": False, "release/web": False}
    assert operations(lifted)["Deployment.apps web/web"] == "update"


def test_another_environment_is_not_touched(files: Files) -> None:
    both = files.but({"env2.yaml": environment("two"), "two.yaml": cluster("other", "two", "https://10.0.0.2:6443")})
    both = both.but({"web2.yaml": release("second", "two", "other", path="apps/web")})
    moved = touched(both.good.units, both.but(SUSPENDED).good.units)
    assert [str(ref) for ref in moved] == ["cluster/one", "environment/dev", "release/web"]


def test_what_goes_waits_until_it_is_lifted(files: Files) -> None:
    suspended = files.but(SUSPENDED)
    for before in (files, suspended):
        made = plan(suspended.but({"web.yaml": None}).good, before.good)
        assert ("release/web", "release_state_invalid") in {(check.unit, check.key) for check in made.blocked}
    everything = dict.fromkeys(("web.yaml", "env.yaml", "cluster.yaml"))
    gone = plan(suspended.but(everything).good, suspended.good)
    assert "release_state_invalid" not in keys(gone)


def test_an_install_does_not_change_meanwhile() -> None:
    before = Desired(environments={"dev": environment_spec(region="there")})
    same = environment_spec(suspend=True, region="here")
    other = environment_spec(suspend=True, region="here", runtimeType="compose")
    for after, said in ((same, []), (other, ["runtime_type would change"])):
        made = of(Desired(environments={"dev": after}), "environment/dev", before=before)
        assert [check.message.partition(", and ")[2] for check in made.blocked] == said


def test_nothing_goes_back_to_what_was_never_applied(files: Files) -> None:
    suspended = files.but(SUSPENDED).good
    made = make_plan(
        replace(
            ask(suspended, units=[WEB], observed=seen(suspended, files.good)),
            returning=True,
        )
    )
    (check,) = made.blocked
    assert (check.unit, check.key) == ("release/web", "release_state_invalid")
