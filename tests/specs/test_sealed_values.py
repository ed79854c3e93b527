"""Encrypted values of charts: they reach values of Secrets and nothing else, and nobody who renders has them."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.app.credentials import AgeIdentity
from reconciler.app.keys import Keys
from reconciler.canonical import keyed_tag
from reconciler.errors import Rejected, Unavailable
from reconciler.names import UnitKind, UnitRef
from reconciler.plan.units import Cutter
from reconciler.specs.cache import MemoryCache, ParseCache, SqliteCache
from reconciler.specs.desired import Desired
from reconciler.specs.reader import Reader
from reconciler.specs.sealed import BOUND, opened_values
from reconciler.specs.stand_ins import Form, Hidden, is_plain
from tests.leaks.forms import Searcher
from tests.specs.renderers import Stub
from tests.specs.renderers import read as resolved
from tests.specs.repository import Repository, lines
from tests.specs.sealing import sealed
from tests.specs.test_charts import charted
from tests.specs.test_sealed import Identity

ODD = 'Kx7 canary9:Qz2"vLw8m\n/x'  # of signs that somebody quotes
PLAIN = "Kx7canary9Qz2vLw8m"
SEARCHER = Searcher({"odd": ODD, "plain": PLAIN})
Values = Mapping[str, Any]


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@dataclass
class Templates(Stub):
    """Renders what a function makes of the values, which is what a template is."""

    template: Callable[[Values], list[dict[str, Any]]] = lambda _values: []

    def render(self, files: Mapping[str, bytes], folder: str, *names: str) -> bytes:
        super().render(files, folder, *names)
        return "---\n".join(json.dumps(one) + "\n" for one in self.template(self.values)).encode()


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, **fields}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def workload(**annotations: str) -> dict[str, Any]:
    containers = [{"name": "web", "image": "web:v1", "env": [{"name": "A", "value": "b"}]}]
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": containers}}
    metadata = {"name": "web"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template}}


def sealing(values: Values) -> str:
    return yaml.safe_dump(sealed({**values, BOUND: "dev"}, Identity().recipient, every=True), sort_keys=False)


def files(values: Values, environment: str = "dev", **more: Any) -> Repository:
    body = sealed({**values, BOUND: environment}, Identity().recipient, every=True)
    text = yaml.safe_dump({**body, **more}, sort_keys=False)
    return charted({"v.yaml": text}, ", values: [v.yaml]")


def read(
    template: Callable[[Values], list[dict[str, Any]]],
    reader: Reader,
    repository: Repository,
    cache: ParseCache | None = None,
) -> tuple[Desired, Templates]:
    stub = Templates(template=template)
    return resolved(repository, stub, reader, cache, opener=Identity()), stub


def found(desired: Desired) -> tuple[dict[str, Any], ...]:
    assert lines(desired.problems) == []
    return desired.sources["app"].objects


PUT: dict[str, tuple[Callable[[str], dict[str, Any]], bool]] = {  # how a template puts a value in; whether any value
    "as it is": (lambda value: secret(stringData={"p": value}), True),
    "in base64": (lambda value: secret(data={"p": b64(value)}), True),
    "within a text": (lambda value: secret(stringData={"p": f"postgres://u:{value}@db/x"}), True),
    "within a text in base64": (lambda value: secret(data={"p": b64(f"a={value}\nb={value}")}), True),
    "of a registry": (
        lambda value: secret(data={".dockerconfigjson": b64(f'{{"auth":"{b64(f"user:{value}")}"}}')}),
        True,
    ),
    "quoted": (lambda value: secret(stringData={"p": f"password: {quoted(value)}"}), False),
    "on one line": (lambda value: secret(stringData={"p": " ".join(value.split())}), False),
    "trimmed": (lambda value: secret(stringData={"p": value.strip()}), False),
    "without a slash": (lambda value: secret(stringData={"p": value.removesuffix("/")}), False),
    "without a line's end": (lambda value: secret(stringData={"p": value.removesuffix("\n")}), False),
    "without a scheme": (lambda value: secret(stringData={"p": value.removeprefix("https://")}), False),
}


@pytest.mark.parametrize(("put", "any_value"), PUT.values(), ids=PUT)
def test_a_value_comes_out_as_the_template_itself_would_have_put_it(
    put: Callable[[str], dict[str, Any]],
    any_value: bool,  # noqa: FBT001
    reader: Reader,
) -> None:
    def template(values: Values) -> list[dict[str, Any]]:
        return [put(values["db"]["password"])]

    for value in (PLAIN, ODD) if any_value else (PLAIN,):
        desired, stub = read(template, reader, files({"db": {"password": value}}))
        (body,) = found(desired)
        wanted = put(value)
        for field in ("data", "stringData"):
            assert body.get(field) == wanted.get(field)
        assert desired.sources["app"].in_the_open == ()
        assert not any(SEARCHER.found(content) for given in stub.given for content in given.values())
    if not any_value:
        desired, _ = read(template, reader, files({"db": {"password": ODD}}))
        (problem,) = desired.problems
        assert "Secret db: stringData.p: it is quoted or cut" in problem.message
        assert not SEARCHER.found(repr(desired.problems).encode())


ELSEWHERE: dict[str, tuple[Callable[[str], list[dict[str, Any]]], str]] = {
    "in a setting": (
        lambda value: [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"p": value}}],
        "ConfigMap c: data.p: an encrypted value comes out where no value of a Secret is",
    ),
    "in base64": (
        lambda value: [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"p": b64(value)}}],
        "ConfigMap c: data.p: an encrypted value comes out",
    ),
    "cut": (lambda value: [workload(start=value[:3])], "Deployment web: spec.template.metadata.annotations.start: an"),
    "its length": (lambda value: [workload(size=str(len(value)))], "annotations.size: an encrypted value comes out"),
    "in a name": (lambda value: [secret() | {"metadata": {"name": value[:5]}}], "metadata.name: an encrypted value"),
    "as a key": (lambda value: [secret(stringData={value[:5]: "x"})], "stringData: which keys come out is decided by"),
    "on a Secret": (
        lambda value: [secret() | {"metadata": {"name": "db", "labels": {"a": value[:9]}}}],
        "Secret db: metadata.labels.a: an encrypted value comes out",
    ),
    "as a number of objects": (
        lambda value: [secret()] * (1 + len(value) % 7 % 2 + len(value) // 290),
        "which objects come out is decided by an encrypted value",
    ),
    "hashed": (
        lambda value: [secret(stringData={"p": sha(value)})],
        "Secret db: stringData.p: something is made of an encrypted value",
    ),
    "hashed for a process": (
        lambda value: [workload() | {"spec": {"template": {"spec": {"args": [sha(value)]}}}}],
        "Deployment web: spec.template.spec.args.0: an encrypted value comes out",
    ),
    "in small letters": (
        lambda value: [secret(stringData={"p": value.lower()})],
        "stringData.p: something is made of an encrypted value",
    ),
    "cut to what a name holds": (
        lambda value: [secret(stringData={"p": value[:253]})],
        "stringData.p: something is made of an encrypted value",
    ),
    "asked for a sign": (
        lambda value: [workload(kind="address" if "@" in value else "name")],
        "annotations.kind: an encrypted value comes out",
    ),
    "asked for a beginning, in a Secret": (
        lambda value: [secret(stringData={"kind": "address" if value.startswith("https") else "name"})],
        "stringData.kind: what comes out is decided by an encrypted value",
    ),
    "a checksum that is none": (
        lambda value: [workload(checksum=b64(value)[:64])],
        "annotations.checksum: an encrypted value comes out",
    ),
}


@pytest.mark.parametrize(("put", "words"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_where_anything_else_is_made_of_a_value_that_is_refused_by_place(
    put: Callable[[str], list[dict[str, Any]]], words: str, reader: Reader
) -> None:
    desired, _ = read(lambda values: put(values["p"]), reader, files({"p": PLAIN}))
    assert any(words in problem.message for problem in desired.problems), lines(desired.problems)
    assert desired.broken == {"dev"}
    assert not SEARCHER.found(repr(desired.problems).encode())


def restarted(values: Values) -> list[dict[str, Any]]:
    """What charts do so that pods are made anew with another Secret."""
    one = secret(data={"p": b64(values["p"])})
    return [one, workload(**{"checksum/secret": hashlib.sha256(json.dumps(one).encode()).hexdigest()})]


def test_where_a_chart_does_not_render_with_every_sign_only_plain_values_are_put_in(reader: Reader) -> None:
    def template(values: Values) -> list[dict[str, Any]]:
        if "~" in values["p"]:
            raise Rejected("rendering: it does not match its schema", key="validation_error")
        return [secret(stringData={"p": values["p"]})]

    assert found(read(template, reader, files({"p": PLAIN}))[0])[0]["stringData"] == {"p": PLAIN}
    (problem,) = read(template, reader, files({"p": ODD}))[0].problems
    assert "stringData.p: it is quoted or cut" in problem.message


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_tool_that_goes_away_in_between_leaves_the_release_unrendered(number: int, reader: Reader) -> None:
    class Leaving(Templates):
        def render(self, files: Mapping[str, bytes], folder: str, *names: str) -> bytes:
            if len(self.given) + 1 == number:
                raise Unavailable("rendering: it took too long", key="rate_limited")
            return super().render(files, folder, *names)

    stub = Leaving(template=lambda values: [secret(stringData={"p": values["p"]})])
    desired = resolved(files({"p": ODD}), stub, reader, opener=Identity())
    assert lines(desired.problems) == []
    source = desired.sources["app"]
    assert source.unrendered is not None
    assert (source.unrendered.key, source.objects) == ("rate_limited", ())


SPELLED = {
    True: ("hunter2", "Kx7", "7hunter", "a.b-c_dk", "g" * 200),
    False: ("", "g" * 201, "-hunter", ".hunter", "true", "Yes", "NULL", "off", "123", "1e5", "0x1f", "0o17", "1_000",
            "a b", "2026-01-01T00:00:00Z", "é", "a:g", "g\n", "g/", "@g"),
}  # fmt: skip


@pytest.mark.parametrize(("plain", "text"), [(plain, text) for plain, texts in SPELLED.items() for text in texts])
def test_a_plain_value_is_one_that_nobody_quotes_or_takes_for_something_else(plain: bool, text: str) -> None:  # noqa: FBT001
    assert is_plain(text) is plain
    if plain:
        assert yaml.safe_load(text) == text
        assert all(Hidden(text, "0" * 64).stand_in(form) != text for form in Form)
    assert is_plain(Hidden("", "0" * 64).stand_in(Form.PLAIN)[:200])


def test_a_tag_tells_values_apart_and_needs_the_key() -> None:
    nobody: Any = None
    one, other = (AgeIdentity(Keys(nobody, key * 32, nobody)) for key in (b"k", b"l"))
    assert one.tag("a") == one.tag("a")
    assert len({one.tag("a"), one.tag("b"), other.tag("a"), keyed_tag(b"k" * 32, "a")}) == 4


def test_equal_values_have_stand_ins_of_their_own_wherever_they_stand(reader: Reader) -> None:
    """Who shows the stand-in of a guess, which anybody can encrypt, does not see whether it was right."""
    values = {"a": PLAIN, "b": {"a": PLAIN}, "c": [PLAIN, PLAIN]}
    shown = [read(lambda _: [], reader, files(values))[1].given[0] for _ in range(2)]
    assert shown[0]["app/chart.values.json"] == shown[1]["app/chart.values.json"]
    given = json.loads(shown[0]["app/chart.values.json"])
    assert len({given["a"], given["b"]["a"], *given["c"]}) == 4
    named = {name: opened_values(yaml.safe_load(sealing(values)), "dev", Identity(), name) for name in ("app", "b")}
    assert named["app"]["a"].clear == named["b"]["a"].clear == PLAIN
    assert named["app"]["a"].tag != named["b"]["a"].tag


def test_a_checksum_on_a_pod_template_moves_with_the_value_and_says_nothing_of_it(reader: Reader) -> None:
    def artifact(value: str) -> tuple[str, str]:
        desired, _ = read(restarted, reader, files({"p": value}))
        body = found(desired)[1]
        unit = Cutter(b"k" * 32, {}).cut(desired)[UnitRef(UnitKind.RELEASE, "app")]
        assert not SEARCHER.found(repr((desired, unit, unit.content)).encode())
        return str(unit.artifact), body["spec"]["template"]["metadata"]["annotations"]["checksum/secret"]

    assert artifact(ODD) == artifact(ODD)  # encrypted again: no change
    assert {*artifact(ODD)}.isdisjoint(artifact(PLAIN))
    known = hashlib.sha256(json.dumps(secret(data={"p": b64(PLAIN)})).encode()).hexdigest()
    assert artifact(PLAIN)[1] != known  # nobody tries short values against it


def test_nothing_that_is_kept_holds_a_value(reader: Reader, tmp_path: Path) -> None:
    cache = SqliteCache(tmp_path / "cache.sqlite")
    repository = files({"p": ODD, "q": PLAIN})
    desired, stub = read(lambda v: [secret(stringData={"p": v["p"], "q": v["q"]})], reader, repository, cache)
    (body,) = found(desired)
    assert (body["stringData"]["p"], body["stringData"]["q"]) == (ODD, PLAIN)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Sealed." in kept
    assert not SEARCHER.found(kept)
    again, stub = read(lambda v: [secret(stringData={"p": v["p"], "q": v["q"]})], reader, repository, cache)
    assert found(again) == (body,)
    assert stub.given == []  # and a look at rest renders nothing


def test_what_a_chart_says_when_it_refuses_holds_no_value(reader: Reader) -> None:
    class Failing(Templates):
        def render(self, files: Mapping[str, bytes], folder: str, *names: str) -> bytes:
            super().render(files, folder, *names)
            raise Rejected(f"rendering: {self.values['p']} is too short", key="validation_error")

    desired = resolved(files({"p": PLAIN}), Failing(), reader, MemoryCache(), opener=Identity())
    (problem,) = desired.problems
    assert "is too short" in problem.message
    assert not SEARCHER.found(repr(desired.problems).encode())


def test_a_later_file_wins_over_an_encrypted_one_and_the_other_way(reader: Reader) -> None:
    first = yaml.safe_dump(sealed({"a": PLAIN, "b": PLAIN, BOUND: "dev"}, Identity().recipient, every=True))
    repository = charted({"v.yaml": first, "w.yaml": "b: mine\nc: '${who}'\n"}, ", values: [v.yaml, w.yaml]")
    desired, _ = read(lambda values: [secret(stringData=dict(values))], reader, repository)
    assert found(desired)[0]["stringData"] == {"a": PLAIN, "b": "mine", "c": "environment"}
    chart = desired.sources["app"].chart
    assert chart is not None
    assert chart.values == {"a": PLAIN, "b": "mine", "c": "environment"}  # what Helm itself keeps, in a Secret
    assert PLAIN not in repr(chart)


def changed(**parts: Any) -> Repository:
    return files({"p": PLAIN}, **parts)


REFUSED: dict[str, tuple[Repository, str, str]] = {
    "another environment": (
        files({"p": PLAIN}, "production"),
        "credential_scope_denied",
        "encrypted for another environment",
    ),
    "no environment": (
        charted(
            {"v.yaml": yaml.safe_dump(sealed({"p": PLAIN}, Identity().recipient, every=True))}, ", values: [v.yaml]"
        ),
        "credential_scope_denied",
        f"the key {BOUND} does not name its environment inside the encryption",
    ),
    "an environment in the open": (changed(**{BOUND: "dev"}), "credential_scope_denied", "inside the encryption"),
    "a value added": (changed(q="mine"), "artifact_checksum_mismatch", "it was changed after it was encrypted"),
    "a value changed": (changed(p="mine"), "artifact_checksum_mismatch", "it was changed after it was encrypted"),
    "a number": (files({"p": PLAIN, "port": 5432}), "validation_error", "port is no text"),
    "no block": (changed(sops=None), "validation_error", "its sops block is not one that can be read here"),
    "of nobody": (changed(sops={"age": []}), "credential_scope_denied", "it is not encrypted to this reconciler"),
}


@pytest.mark.parametrize(("repository", "key", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_opened_is_a_problem_of_the_file(
    repository: Repository, key: str, words: str, reader: Reader
) -> None:
    desired, stub = read(lambda _: [secret()], reader, repository)
    (problem,) = desired.problems
    assert (problem.key, problem.place.path) == (key, "v.yaml")
    assert words in problem.message
    assert stub.given == []
    assert not SEARCHER.found(repr(desired.problems).encode())


def test_without_an_identity_it_is_said_of_the_release_and_nothing_renders(reader: Reader) -> None:
    stub = Templates(template=lambda _: [secret()])
    desired = resolved(files({"p": PLAIN}), stub, reader)
    assert lines(desired.problems) == []
    unrendered = desired.sources["app"].unrendered
    assert unrendered is not None
    assert unrendered.key == "permission_denied"
    assert (desired.sources["app"].objects, stub.given) == ((), [])
