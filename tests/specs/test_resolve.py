"""One revision, every problem at once, and what each of them costs.

Each case lays one file over the example's desired state; beside it stand the problems, the broken environments and
whether everything counts as unreadable. `python -m tests.specs.test_resolve` prints what the cases say now.
"""

import sys
from pathlib import Path

import pytest

from reconciler.names import POLICY, UnitKind, UnitRef
from reconciler.specs.desired import Desired, Scope
from reconciler.specs.reader import Reader
from tests.specs.repository import Repository, lines

EXAMPLE = Path(__file__).parents[2] / "example-desired-state"
CASES = Path(__file__).parent / "cases"
ENVIRONMENTS = {"env-k8s-prod", "env-compose-prod", "env-staging"}


def example() -> Repository:
    return Repository.at(EXAMPLE)


def outcome(desired: Desired) -> str:
    """What a case's text file holds."""
    verdict = [
        f"broken: {' '.join(sorted(desired.broken)) or '-'}",
        f"unreadable: {'yes' if desired.unreadable else 'no'}",
    ]
    return "\n".join([*lines(desired.problems), *verdict]) + "\n"


def case(path: Path, reader: Reader | None = None) -> str:
    return outcome(example().add("case.yaml", path.read_bytes()).resolve(reader))


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def test_case(path: Path, reader: Reader) -> None:
    assert case(path, reader) == path.with_suffix(".txt").read_text("utf-8")


def test_no_message_quotes_what_may_be_a_secret() -> None:
    for path in CASES.glob("*.txt"):
        assert "hunter2" not in path.read_text("utf-8")


def test_the_example_has_no_problem(reader: Reader) -> None:
    desired = example().resolve(reader)
    assert outcome(desired) == "broken: -\nunreadable: no\n"
    assert desired.environments.keys() == ENVIRONMENTS
    assert all(desired.may_plan(name) for name in ENVIRONMENTS)


def test_units_know_their_place(reader: Reader) -> None:
    desired = example().resolve(reader)
    svc_a = UnitRef(UnitKind.RELEASE, "svc-a")
    cluster = desired.cluster_of("svc-a")
    assert cluster is not None
    assert cluster.name == "k8s-prod-external"
    assert desired.cluster_of("svc-b") is None
    assert desired.environment_of(svc_a) == "env-k8s-prod"
    assert desired.scope_of(svc_a) == Scope("proj-alpha", "team-app", "env-k8s-prod")
    assert desired.scope_of(UnitRef(UnitKind.CLUSTER, "k8s-staging")) == Scope("proj-alpha", "team-app", "env-staging")
    assert desired.scope_of(UnitRef(UnitKind.ENVIRONMENT, "env-staging")).environment == "env-staging"
    assert desired.scope_of(UnitRef(UnitKind.POLICY, POLICY)) == Scope("", "", POLICY)
    assert desired.variables_of("svc-a") == {"log_level": "warn", "image_tag": "v2.0.0"}
    assert [release.name for release in desired.releases_in("env-staging")] == ["svc-a-staging"]
    assert [found.name for found in desired.clusters_in("env-k8s-prod")] == ["k8s-prod-external", "k8s-prod-platform"]
    with pytest.raises(KeyError):
        desired.environment_of(UnitRef(UnitKind.RELEASE, "gone"))


def test_a_repository_without_settings_and_projects_has_defaults(reader: Reader) -> None:
    desired = Repository.of(
        {
            "e.yaml": "apiVersion: opspilot.spec/v1\nkind: Environment\nmetadata: {name: dev}\n"
            "spec: {tier: dev, runtimeType: k8s, mode: external_managed}"
        }
    ).resolve(reader)
    assert not desired.problems
    assert desired.settings.poll_interval.total_seconds() == 30
    assert desired.settings_spec is None
    assert desired.scope_of(UnitRef(UnitKind.ENVIRONMENT, "dev")) == Scope("default", "default", "dev")


@pytest.mark.parametrize(
    ("path", "broken"),
    [
        ("environments/env-staging.yaml", {"env-staging"}),
        ("hosts/hosts.yaml", {"env-k8s-prod", "env-compose-prod"}),
        ("clusters/clusters.yaml", {"env-k8s-prod", "env-staging"}),
        ("releases/svc-b/production.yaml", {"env-compose-prod"}),
        ("services/services.yaml", ENVIRONMENTS),
        ("policy/users.yaml", {POLICY}),
        ("policy/settings.yaml", {POLICY}),
        ("credentials/credentials.yaml", ENVIRONMENTS),
    ],
)
def test_an_invalid_spec_breaks_the_environments_it_touches_and_no_others(
    path: str, broken: set[str], reader: Reader
) -> None:
    repository = example()
    text = (EXAMPLE / path).read_text("utf-8").replace("spec:\n", "spec:\n  surprise: 1\n")
    desired = repository.add(path, text).resolve(reader)
    assert "surprise" in str(desired.problems)
    assert desired.broken == broken
    assert not desired.unreadable


SOAKING = """\
apiVersion: opspilot.spec/v1
kind: Environment
metadata: {name: env-soaking}
spec:
  {project: proj-alpha, team: team-app, tier: dev, runtimeType: k8s, mode: external_managed,
   gates: {soak: {environment: env-staging, duration: 1h}}}
---
apiVersion: opspilot.spec/v1
kind: RoleBinding
metadata: {name: staging}
spec: {role: operator, subjects: [{user: dev_user}], scope: {environment: env-staging}}
"""


def test_an_invalid_environment_breaks_neither_rights_in_it_nor_those_that_wait_for_it(reader: Reader) -> None:
    path = "environments/env-staging.yaml"
    text = (EXAMPLE / path).read_text("utf-8").replace("tier: staging", "tier: stagin")
    desired = example().add("soaking.yaml", SOAKING).add(path, text).resolve(reader)
    assert len(desired.problems) == 1
    assert desired.broken == {"env-staging"}


@pytest.mark.parametrize("path", ["hosts/hosts.yaml", "releases/svc-a/production.yaml", "policy/settings.yaml"])
@pytest.mark.parametrize("damage", ["cut", "link", "lfs", "large", "encoding"])
def test_nothing_may_be_planned_while_a_file_with_specs_cannot_be_read(path: str, damage: str, reader: Reader) -> None:
    repository = example()
    text = (EXAMPLE / path).read_bytes()
    match damage:
        case "cut":
            repository.add(path, text + b"\n x: [")
        case "link":
            repository.link(path)
        case "lfs":
            repository.add(path, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
        case "large":
            repository.add(path, text + b"#" * 300_000)
        case _:
            repository.add(path, text.decode().encode("utf-16"))
    desired = repository.resolve(reader)
    assert desired.unreadable
    assert not any(desired.may_plan(name) for name in ENVIRONMENTS)
    assert any(problem.place.path == path for problem in desired.problems)


def test_a_release_that_names_no_existing_environment_stops_all_others(reader: Reader) -> None:
    """It may have been in any of them before, and must not look as if it had been removed there."""
    path = "releases/svc-a/production.yaml"
    text = (EXAMPLE / path).read_text("utf-8").replace("env-k8s-prod", "env-k8s-prd")
    desired = example().add(path, text).resolve(reader)
    assert desired.unreadable
    assert [problem.key for problem in desired.problems] == ["environment_not_found"]
    assert desired.problems[0].hint == 'did you mean "env-k8s-prod"?'
    assert (desired.problems[0].place.line, desired.problems[0].place.column) == (6, 16)


def test_a_bad_source_breaks_its_environment_only(reader: Reader) -> None:
    path = "releases/svc-a/staging.yaml"
    text = (EXAMPLE / path).read_text("utf-8").replace("image_tag", "image_tga")
    desired = example().add(path, text).resolve(reader)
    assert desired.broken == {"env-staging"}
    assert not desired.unreadable
    assert {problem.hint for problem in desired.problems} == {'did you mean "image_tga"?'}


if __name__ == "__main__":
    for file in sorted(CASES.glob("*.yaml")):
        text = case(file)
        sys.stdout.write(f"{file.stem}\n{text}\n")
        if "--write" in sys.argv:
            file.with_suffix(".txt").write_text(text, "utf-8")
