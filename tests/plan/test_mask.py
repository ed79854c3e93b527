"""T16: whatever form a secret has in an object, a plan does not hold it."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.plan.make import make_plan
from reconciler.plan.mask import mark, mask_object, mask_value
from tests.plan.world import KEY, Files, ask, plan

CANARY = "Canary7-of-9-Zr"
ENCODED = base64.b64encode(CANARY.encode()).decode()
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----\n"
SECRET = {"kind": "Secret"}
FORMS = (CANARY, ENCODED, CANARY.encode().hex(), CANARY.encode("utf-16le").hex())

HOLDERS: Mapping[str, Any] = {
    "data of a secret": {"kind": "Secret", "data": {"a": ENCODED}},
    "data of a secret that is no base64": {"kind": "Secret", "data": {"a": CANARY}},
    "data that is no mapping": {"kind": "Secret", "data": CANARY},
    "string data of a secret": {"kind": "Secret", "stringData": {"user": CANARY}},
    "string data beside data": {"kind": "Secret", "data": {"a": ENCODED}, "stringData": {"b": CANARY}},
    "string data that is no mapping": {"kind": "Secret", "stringData": [CANARY]},
    "environment variable": {"env": [{"name": "DB_PASSWORD", "value": CANARY}]},
    "environment variable of a short name": {"env": [{"name": "DB_PASS", "value": CANARY}]},
    "access key": {"env": [{"name": "AWS_ACCESS_KEY", "value": CANARY}]},
    "private key in a config map": {"kind": "ConfigMap", "data": {"id": PEM}},
    "private key in base64": {"metadata": {"annotations": {"a": base64.b64encode(PEM.encode()).decode()}}},
    "binary data": {"kind": "ConfigMap", "binaryData": {"a": ENCODED}},
    "last applied": {
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data":"{ENCODED}"}}'}}
    },
    "json in an annotation": {"metadata": {"annotations": {"note": f'{{"password":"{CANARY}"}}'}}},
    "argument with a value": {"args": [f"--password={CANARY}"]},
    "argument before its value": {"args": ["--db-password", CANARY]},
    "shell line": {"command": ["sh", "-c", f"export API_TOKEN={CANARY}; run"]},
    "line of a configuration file": {"kind": "ConfigMap", "data": {"app.conf": f"a = 1\ndb.password = {CANARY}\n"}},
    "line of yaml": {"kind": "ConfigMap", "data": {"app.yaml": f"a: 1\nclientSecret: '{CANARY} and more'\n"}},
    "address with a password": {"env": [{"name": "DB_URL", "value": f"postgres://me:{CANARY}@db/x"}]},
    "authorization header": {"httpHeaders": [{"name": "x", "value": f"Authorization: Basic {CANARY}"}]},
    "list under a secret name": {"spec": {"passwords": [CANARY]}},
    "data source name": {"env": [{"name": "DB_DSN", "value": CANARY}]},
    "connection string": {"env": [{"name": "DB_CONN_STR", "value": CANARY}]},
    "line of a password file": {"note": f"passwd:{CANARY}"},
    "web token": {"note": f"eyJhbGciOiJI.eyJzdWIi{CANARY}.sig"},
    "binary data of a secret": {"kind": "Secret", "binaryData": {"a": ENCODED}},
    "secret field beside a secret value": {"env": [{"name": "DB_PASSWORD", "value": "x", "token": CANARY}]},
    "secret field of what has a secret name": {"env": [{"name": "DB_PASSWORD", "token": CANARY}]},
}

# They say which secret, or how a token is mounted; the reviewer has to be able to read that.
NAMES_OF_SECRETS = (
    *("secretName", "secretRef", "secretKeyRef", "imagePullSecrets", "automountServiceAccountToken"),
    *("serviceAccountToken", "credential", "credentials", "tokenExpirationSeconds", "authCredential"),
)


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_t16_no_form_of_the_secret_is_left(holder: Any) -> None:
    masked = repr(mask_object(holder, KEY))
    assert not [form for form in FORMS if form in masked]
    assert "<secret " in masked or masked in {"{'kind': 'Secret', 'data': {}}", "{'kind': 'Secret'}"}


@pytest.mark.parametrize("holder", [{"password": 8675309}, {"args": ["--password", 8675309]}, {"passwords": [8675309]}])
def test_t16_a_number_where_a_secret_stands_is_masked(holder: Any) -> None:
    assert "8675309" not in repr(mask_object({"spec": holder}, KEY))


def test_t16_a_projection_that_does_not_say_its_kind_is_masked_as_the_kind_it_is_of() -> None:
    masked, whole = (mask_object({**said, "data": {"user": ENCODED}}, KEY, kind="Secret") for said in ({}, SECRET))
    assert whole == {**SECRET, **dict(masked)}  # type: ignore[call-overload]
    assert ENCODED not in repr(masked)


@pytest.mark.parametrize(
    "value",
    [
        {"image": "registry.example/token-service:v2.0.1"},
        {"volumes": [{"name": "x", "secret": {"secretName": "login"}}]},
        {"valueFrom": {"secretKeyRef": {"name": "login", "key": "user"}}},
        {"automountServiceAccountToken": False},
        {"endpoint": "https://10.0.0.1:6443", "replicas": 2, "paused": None, "ratio": 0.5},
        {"data": {"app.conf": "workers = 4\nlog = info\n"}},
        {"resources": ["secrets", "tokenreviews"]},
        {"allowTokens": True, "password": None, "secret": False},
        {"name": 7, "value": "a number is no name"},
        {"env": [{"name": "LEVEL", "value": "info"}, {"value": "of no name"}, {"name": "MODE", "password": None}]},
        {"kind": "Secret", "type": "Opaque"},
        {"kind": "Secret", "data": {}},
        *({name: "login"} for name in NAMES_OF_SECRETS),
    ],
)
def test_what_is_no_secret_stays_readable(value: Any) -> None:
    assert mask_object(value, KEY) == value


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("workers: 4\npassword: ", "\nlog: info\n"),
        ("url: postgres://me:", "@db.example/x"),
        ('{"password":"', '","log":"info"}'),
    ],
)
def test_only_the_secret_of_a_text_is_taken_out(before: str, after: str) -> None:
    masked = str(mask_value(f"{before}{CANARY}{after}", KEY))
    assert masked == f"{before}{mark(CANARY, KEY)}{after}"


def test_what_is_masked_keeps_the_names_of_its_fields() -> None:
    variable = {"name": "DB_PASSWORD", "value": CANARY, "optional": "yes"}
    shown: Any = mask_value(variable, KEY)
    assert shown == {**variable, "value": mark(CANARY, KEY)}
    binary = {"kind": "ConfigMap", "binaryData": {"logo": ENCODED}}
    shown = mask_object(binary, KEY)
    assert shown == {**binary, "binaryData": {"logo": mark(ENCODED, KEY)}}


def test_a_secret_has_data_where_either_form_has_an_entry() -> None:
    one: Any = mask_object({"kind": "Secret", "stringData": {"a": CANARY}}, KEY)
    none: Any = mask_object({"kind": "Secret", "stringData": {}}, KEY)
    assert (one, none) == ({"kind": "Secret", "data": {"a": mark(CANARY, KEY)}}, {"kind": "Secret"})


@pytest.mark.parametrize("other", [f"{ENCODED[:8]}!{ENCODED[8:]}", f"{ENCODED[:8]}-{ENCODED[8:]}", f"\u00e9{ENCODED}"])
def test_what_is_no_base64_is_another_value_than_the_base64_within_it(other: str) -> None:
    one, two = (mask_object({"kind": "Secret", "data": {"a": value}}, KEY) for value in (ENCODED, other))
    assert one != two


def test_both_forms_of_a_secret_are_one_value() -> None:
    data = {"kind": "Secret", "data": {"a": ENCODED}}
    wrapped = {"kind": "Secret", "data": {"a": f"{ENCODED[:8]}\n{ENCODED[8:]}"}}
    text = {"kind": "Secret", "stringData": {"a": CANARY}}
    assert mask_object(data, KEY) == mask_object(text, KEY) == mask_object(wrapped, KEY)


def test_what_stands_for_a_secret_cannot_be_written_down_as_its_value() -> None:
    stands = mask_object({"data": {"id": PEM}}, KEY)
    assert isinstance(stands, dict)
    assert mask_object({"data": {"id": stands["data"]["id"]}}, KEY) != stands


@given(st.text(), st.text(), st.sampled_from(["Secret", "ConfigMap"]))
def test_two_values_are_masked_alike_only_if_they_are_equal(one: str, other: str, kind: str) -> None:
    field = "stringData" if kind == "Secret" else "data"
    masked = [mask_object({"kind": kind, field: {"token": value}}, KEY) for value in (one, other)]
    assert (masked[0] == masked[1]) == (one == other)


@pytest.mark.parametrize("looked", [True, False], ids=["looked at", "static"])
@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("apps/web/secret.yaml", "first-value", CANARY),
        ("apps/web/secret.yaml", "stringData: {user: first-value}", f"data: {{user: {ENCODED}}}"),
        ("apps/web/deployment.yaml", "name: LEVEL, value: info", f"name: API_TOKEN, value: {CANARY}"),
        ("apps/web/deployment.yaml", "image:", f"args: ['--token={CANARY}'], image:"),
        ("apps/web/config.yaml", "data: {a: '1'}", f"data: {{a: {PEM!r}}}".replace("'", '"')),
        ("apps/web/config.yaml", "name: settings", f"name: settings, annotations: {{a: 'password={CANARY}'}}"),
        ("web.yaml", "namespace: web", f"namespace: web, variables: {{db_password: {CANARY}}}"),
    ],
)
def test_t16_no_plan_holds_it(files: Files, path: str, old: str, new: str, *, looked: bool) -> None:
    changed = files.edited(path, old, new)
    before, after = files.good, changed.good
    ways = [(before, after), (after, before), (None, after), (after, files.but({"web.yaml": None}).good)]
    for start, end in ways:
        made = plan(end, start) if looked else make_plan(ask(end, start, observed=None))
        assert made.changes or made.units
        text = made.model_dump_json()
        assert not [form for form in FORMS if form in text]
