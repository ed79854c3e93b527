"""Success criteria by Prometheus: where they may be asked, that they are in the plan, and how a preview tells them."""

import pytest

from reconciler.app.wants import of_release
from reconciler.plan.change import Told
from reconciler.plan.questions import words_of
from reconciler.ports import Permission
from reconciler.report.phrases import EN, ZH
from reconciler.report.sections import ways
from reconciler.specs.kinds.probes import Probe
from tests.plan.test_strategies import SERVICE, looked, told
from tests.plan.world import Files, plan, release

URL = "http://prometheus.monitoring.svc:9090"


def prometheus(url: str = URL, query: str = "errors", bounds: str = "max: 0.01") -> str:
    return f"{{prometheus: {{url: '{url}', query: '{query}', {bounds}}}}}"


def criteria(question: str) -> str:
    """A canary whose every criterion is this question."""
    steps = f"{{steps: [{{weight: 50}}], checks: [{question}]}}"
    return (
        f", strategy: {{type: canary, canary: {steps}}}"
        f", health: {{checks: [{question}]}}, rollback: {{success: [{question}]}}"
    )


def asking(files: Files, question: str) -> Files:
    return files.but({"web.yaml": release("web", more=criteria(question)), "apps/web/service.yaml": SERVICE})


@pytest.mark.parametrize(
    "url", ["http://10.0.0.9:9090", "https://metrics.example.com", "http://169.254.169.254/latest"]
)
def test_another_address_than_a_service_of_the_cluster_is_a_problem_with_a_place(files: Files, url: str) -> None:
    problems = asking(files, prometheus(url)).side.desired.problems
    assert [problem.message for problem in problems] == [
        "Prometheus is asked as a Service of the release's cluster only, and this names none"
    ] * 3
    places = {(problem.place.path, problem.place.line > 0, problem.place.column) for problem in problems}
    assert len(places) == 3  # of each question its own


def test_asking_takes_the_right_to_its_service(files: Files) -> None:
    good = asking(files, prometheus()).good.desired
    wanted = of_release("web", good.releases["web"].spec, good.releases["web"], good.sources["web"])
    assert wanted.needs == (Permission("get", "services/proxy", "monitoring"),)


def test_a_preview_tells_query_and_bounds_at_each_place(files: Files) -> None:
    old = asking(files, prometheus())
    new = old.edited("apps/web/deployment.yaml", "web:v1", "web:v2")
    made = plan(new.good, old.good, **looked(new))
    assert [one for one in told(made) if one in (Told.ASK, Told.ASK_BACK)] == [Told.ASK, Told.ASK, Told.ASK_BACK]
    for words in (EN, ZH):
        shown = "".join(ways((made,), words).blocks)
        assert shown.count("`http://prometheus.monitoring.svc:9090: errors <= 0.01`") == 3
    returned = plan(old.good, new.good, returning=True, **looked(old))
    assert Told.ASK_BACK not in told(returned)


@pytest.mark.parametrize("changed", [{"query": "others"}, {"bounds": "max: 0.02"}, {"bounds": "min: 0.01"}])
def test_query_bound_and_direction_are_in_the_artifact(files: Files, changed: dict[str, str]) -> None:
    one, other = asking(files, prometheus()).good, asking(files, prometheus(**changed)).good
    assert plan(one, None).artifact != plan(other, None).artifact


def test_a_secret_in_a_query_is_not_told() -> None:
    found = Probe.model_validate({"prometheus": {"url": URL, "query": 'up{password="hunter2secret"}', "min": 1}})
    assert "hunter2secret" not in words_of(found)
