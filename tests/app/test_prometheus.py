"""One number from Prometheus: what is asked and where, which answers are good, and that every other one fails."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from reconciler.app.probing import TRIES, Asker, get_directly
from reconciler.errors import Rejected
from reconciler.plan.questions import words_of
from reconciler.ports import Answered, GetThrough
from reconciler.specs.kinds.probes import Probe
from tests.app.test_probing import Clock

QUERY = 'sum(rate(http_requests_total{code=~"5.."}[5m]))\n  / 100'
URL = "http://prometheus.monitoring.svc:9090/base/"


def probe(**bounds: Any) -> Probe:
    asked = {"url": URL, "query": QUERY, **(bounds or {"max": 0.01})}
    return Probe.model_validate({"prometheus": asked, "timeout": "2s"})


def vector(*values: str) -> dict[str, Any]:
    found = [{"metric": {"pod": "top secret"}, "value": [1435781451.781, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": found}}


def scalar(value: Any, kind: str = "scalar") -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": [1435781451.781, value]}}


class Prometheus(BaseHTTPRequestHandler):
    """Answers each question with what stands in `answers`, the last one from then on."""

    answers: list[tuple[int, bytes]] = []  # noqa: RUF012  one list for the one server of this module
    seen: list[tuple[str, str]] = []  # noqa: RUF012  the same

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        status, body = self.answers[min(len(self.seen), len(self.answers)) - 1]
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal."""


@dataclass
class Cluster:
    """An API server whose proxy leads to that one server, whatever Service is asked."""

    port: int

    def ask_service(self, asked: GetThrough) -> Answered:
        assert (asked.namespace, asked.service, asked.port) == ("monitoring", "prometheus", "9090")
        return get_directly(f"http://127.0.0.1:{self.port}{asked.path}", asked.timeout)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Prometheus) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        Prometheus.seen.clear()
        yield Cluster(server.server_port)
        server.shutdown()
        thread.join()


def ask(cluster: Any, one: Probe, *answers: Any, ours: bool = True) -> None:
    """Ask, where these are the answers: a body, or a status and a body."""
    given = [found if isinstance(found, tuple) else (200, found) for found in answers]
    Prometheus.answers = [
        (code, body if isinstance(body, bytes) else json.dumps(body).encode()) for code, body in given
    ]
    Asker(cluster, Clock(), lambda _: ("monitoring", "prometheus") if ours else None).ask("health.checks[0]", one)


def test_the_query_is_asked_at_the_service_as_it_is_written_and_without_a_secret(cluster: Cluster) -> None:
    ask(cluster, probe(), vector("0.01"))
    ((path, authorization),) = Prometheus.seen
    asked = urlsplit(path)
    assert asked.path == "/base/api/v1/query"
    assert parse_qs(asked.query) == {"query": [QUERY], "timeout": ["2000ms"]}
    assert authorization == ""


@pytest.mark.parametrize(
    ("bounds", "good", "bad"),
    [
        ({"max": 0.01}, ("0.01", "0", "-1", "1e-3"), ("0.010001", "1")),
        ({"min": 0.99}, ("0.99", "1", "1e3"), ("0.98", "-1")),
        ({"min": 1, "max": 2}, ("1", "1.5", "2"), ("0.9", "2.1")),
    ],
)
def test_both_bounds_are_good_themselves(
    cluster: Cluster, bounds: dict[str, float], good: tuple[str, ...], bad: tuple[str, ...]
) -> None:
    for value in good:
        ask(cluster, probe(**bounds), vector(value))
        ask(cluster, probe(**bounds), scalar(value))
    for value in bad:
        Prometheus.seen.clear()
        with pytest.raises(Rejected, match="got "):
            ask(cluster, probe(**bounds), vector(value), vector("1.5"))
        assert len(Prometheus.seen) == 1  # nobody asks until a number pleases


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (vector(), "no series answers the query"),
        (vector("0", "0"), "2 series answer the query, and one is needed"),
        (vector("NaN"), "got nan, which says nothing"),
        (vector("-Inf"), "got -inf, which says nothing"),
        (scalar("NaN"), "got nan"),
        (vector("top secret"), "the value is no number"),
        (scalar(0), "neither a scalar nor one series"),
        (scalar("0", "string"), "neither a scalar nor one series"),
        ({"status": "success", "data": {"resultType": "matrix", "result": []}}, "neither a scalar nor one series"),
        ({"status": "success"}, "neither a scalar nor one series"),
        ({**vector("0"), "warnings": ["top secret"]}, "incomplete"),
        ({**vector("0"), "status": "error", "error": "top secret"}, "got an error of the query (200)"),
        (
            (422, {"status": "error", "errorType": "execution", "error": "top secret"}),
            "got an error of the query (422)",
        ),
        ((503, vector("0")), "got 503 and no result"),
        ((302, b""), "got 302 and no whole answer"),
        (b"<html>top secret", "no whole answer of Prometheus (16 bytes)"),
        (b"[" * 60_000, "no whole answer"),
        (json.dumps({**vector("0"), "more": "x" * 70_000}).encode(), "no whole answer of Prometheus (65536 bytes)"),
        ([vector("0")], "no whole answer"),
    ],
)
def test_all_but_one_finite_number_fails_with_words_and_nothing_of_the_answer(
    cluster: Cluster, answer: Any, said: str
) -> None:
    with pytest.raises(Rejected) as raised:
        ask(cluster, probe(max=1), answer)
    assert said in raised.value.message
    assert "secret" not in raised.value.message
    assert not [path for path, _ in Prometheus.seen if path == "/elsewhere"]  # nobody is followed


def test_what_held_no_number_is_asked_again(cluster: Cluster) -> None:
    ask(cluster, probe(), (503, b""), vector(), vector("0"))
    assert len(Prometheus.seen) == TRIES


def test_infos_alone_take_nothing_from_an_answer(cluster: Cluster) -> None:
    ask(cluster, probe(), {**vector("0"), "infos": ["metric might not be a counter"]})


def test_nobody_listening_fails(cluster: Cluster) -> None:
    with pytest.raises(Rejected, match="no answer in time"):
        ask(Cluster(1), probe(), vector("0"))


def test_what_is_no_service_of_the_cluster_is_not_asked(cluster: Cluster) -> None:
    asked = {"url": f"http://127.0.0.1:{cluster.port}", "query": QUERY, "max": 1}
    with pytest.raises(Rejected, match="is no Service of the release's cluster"):
        ask(cluster, Probe.model_validate({"prometheus": asked}), vector("0"), ours=False)
    assert Prometheus.seen == []


def test_it_is_told_as_a_comparison_in_one_line() -> None:
    assert words_of(probe(min=0.5, max=2)) == (
        'http://prometheus.monitoring.svc:9090/base/: 0.5 <= sum(rate(http_requests_total{code=~"5.."}[5m])) / 100 <= 2'
    )
    assert words_of(probe(max=0.01)).endswith(" / 100 <= 0.01")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "min, max or both"),
        ({"min": 2, "max": 1}, "min is larger"),
        ({"max": 1, "query": " \n"}, "a query is needed"),
        ({"max": 1, "url": "http://p.m.svc/?x=1"}, "takes no query string"),
        ({"max": float("nan")}, "finite"),
        ({"max": float("inf")}, "finite"),
    ],
)
def test_what_could_never_decide_is_no_spec(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Probe.model_validate({"prometheus": {"url": URL, "query": QUERY, **fields}})


def test_a_question_from_before_there_was_prometheus_is_written_as_it_was() -> None:
    """Its digest was approved and recorded (G9, G24)."""
    old = Probe.model_validate({"tcp": {"address": "db.example:5432"}})
    assert old.model_dump(mode="json") == {
        "http": None,
        "tcp": {"address": "db.example:5432"},
        "traffic": None,
        "timeout": "10s",
    }
    assert Probe.model_validate_json(probe().model_dump_json()) == probe()
