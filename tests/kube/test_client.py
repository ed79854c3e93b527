"""The client towards servers that are away, wrong, slow, too talkative or hostile (T21, F16-F18, F37)."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ReconcilerError, Refused, Rejected, Unavailable, Untrusted, Withdrawn
from reconciler.kube import client as client_module
from reconciler.kube.answers import Answer, NotServed, error_of
from reconciler.kube.client import Client, Request
from reconciler.kube.connection import ClientCertificate, connection
from reconciler.secret import Secret
from tests.kube.certificates import client_identity
from tests.kube.servers import Scripted, answer, cut, playing, silence
from tests.servers.pki import loopback_certificate

TOKEN = "canary-token-91c2"
APPLY = Request("PATCH", "/x", "applying x", {"fieldManager": "reconciler"}, {"a": 1})
DRY_RUN = Request("PATCH", "/x", "asking about x", {"dryRun": "All"}, {"a": 1})


def client_of(server: Scripted, ca_pem: str = "") -> Client:
    return Client(connection(server.endpoint, ca_pem or server.ca_pem, token=Secret(TOKEN)))


def status(code: int, reason: str = "", message: str = "", **details: Any) -> bytes:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    return json.dumps(body).encode()


CONFLICT_CAUSES = [{"reason": "FieldManagerConflict", "message": 'conflict with "helm" using v1', "field": ".data.a"}]
ANSWERS: dict[str, tuple[int, bytes, type[ReconcilerError], str]] = {
    "no token": (401, status(401, "Unauthorized"), Withdrawn, "cluster_permission_insufficient"),
    "not allowed": (403, status(403, "Forbidden", "no"), Rejected, "cluster_permission_insufficient"),
    "not there": (404, status(404, "NotFound"), Rejected, "release_apply_failed"),
    "no such path": (404, b"404 page not found", NotServed, "cluster_connect_failed"),
    "moved on": (409, status(409, "Conflict"), Unavailable, "resource_conflict"),
    "exists": (409, status(409, "AlreadyExists"), Refused, "target_changed"),
    "owned fields": (409, status(409, "Conflict", causes=CONFLICT_CAUSES), Refused, "resource_conflict"),
    "invalid": (422, status(422, "Invalid", "no"), Rejected, "release_apply_failed"),
    "webhook": (
        403,
        status(403, "Forbidden", 'admission webhook "pods.example" denied the request: no latest tags'),
        Rejected,
        "release_apply_failed",
    ),
    "policy": (
        422,
        status(422, "Invalid", "ValidatingAdmissionPolicy 'no-latest' with binding 'b' denied request: no"),
        Rejected,
        "release_apply_failed",
    ),
    "namespace ends": (
        403,
        status(403, "Forbidden", "x", causes=[{"reason": "NamespaceTerminating", "message": "ns is going"}]),
        Unavailable,
        "resource_conflict",
    ),
    "expired page": (410, status(410, "Expired"), Unavailable, "cluster_connect_failed"),
    "busy": (429, status(429, "TooManyRequests"), Unavailable, "rate_limited"),
    "broken": (500, status(500, "InternalError"), Unavailable, "cluster_connect_failed"),
    "proxy page": (502, b"<html>bad gateway</html>", Unavailable, "cluster_connect_failed"),
    "etcd away": (504, status(504, "Timeout"), Unavailable, "cluster_connect_failed"),
    "redirect": (302, b"", Rejected, "endpoint_invalid"),
    "teapot": (418, b"", Rejected, "release_apply_failed"),
}


@pytest.mark.parametrize(("code", "body", "kind", "key"), ANSWERS.values(), ids=ANSWERS.keys())
def test_each_answer_has_one_meaning(code: int, body: bytes, kind: type[ReconcilerError], key: str) -> None:
    error = error_of(Answer(code, body, "applying x"))
    assert (type(error), error.key) == (kind, key)
    assert error.message.startswith("applying x: ")


def test_a_conflict_names_manager_and_field() -> None:
    error = error_of(Answer(409, status(409, "Conflict", causes=CONFLICT_CAUSES), "applying x"))
    assert "helm: data.a" in error.message


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("", 15), ("soon", 15), ("-1", 15), ("9" * 20, 600)])
def test_retry_after_is_kept_within_reason(header: str, seconds: int) -> None:
    error = error_of(Answer(429, b"", "applying x", retry_after=header))
    assert isinstance(error, Unavailable)
    assert error.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "message",
    [
        'Invalid value: "canary": must match canary',
        'Invalid value: {"password":"canary"}: is bad',
        'Duplicate value: "a: canary"',
        'Unsupported value: "canary": supported values: "a"',
        "Invalid value: canary: field is immutable",
    ],
)
def test_t16_an_invalid_field_is_named_without_its_value(message: str) -> None:
    causes = [{"reason": "FieldValueInvalid", "message": message, "field": "spec.env"}]
    error = error_of(Answer(422, status(422, "Invalid", f"x is invalid: {message}", causes=causes), "applying x"))
    assert "spec.env" in error.message
    assert "canary" not in error.message


@pytest.mark.parametrize("code", [400, 403, 409, 422, 500])
def test_t16_what_the_server_says_about_a_secret_is_not_told(code: int) -> None:
    causes = [{"reason": "FieldValueInvalid", "message": "canary", "field": "data.canary"}]
    error = error_of(Answer(code, status(code, "Invalid", "canary", causes=causes), "applying x", secret=True))
    assert "canary" not in error.message


def test_the_token_is_sent_and_shown_nowhere(tmp_path: Path) -> None:
    with playing(tmp_path, answer(200), answer(403, status(403, "Forbidden", "no").decode())) as server:
        client = client_of(server)
        client.get("/x", "reading x")
        with pytest.raises(Rejected) as refused:
            client.get("/x", "reading x")
        client.close()
    assert f"Authorization: Bearer {TOKEN}" in server.script.heard[0]
    assert TOKEN not in f"{refused.value} {refused.value!r} {vars(refused.value)} {client!r}"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_t21_a_redirect_is_not_followed_and_the_token_stays(tmp_path: Path, code: int, method: str) -> None:
    with playing(tmp_path, answer(200)) as other:
        headers = {"Location": f"{other.endpoint}/stolen"}
        with playing(tmp_path, answer(code, headers=headers)) as server:
            client = client_of(server)
            with pytest.raises(Rejected):
                client.send(Request(method, "/x", "asking x", body={"a": 1} if method == "PATCH" else None))
            client.close()
    assert len(server.script.heard) == 1
    assert other.script.heard == []


def test_f37_another_ca_is_not_trusted_and_gets_no_token(tmp_path: Path) -> None:
    with playing(tmp_path, answer(200)) as server:
        client = client_of(server, ca_pem=loopback_certificate().ca)
        with pytest.raises(Untrusted) as refused:
            client.get("/x", "reading x")
        client.close()
    assert refused.value.key == "certificate_invalid"
    assert server.script.heard == []


def test_f37_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    with playing(tmp_path, answer(200), host="127.0.0.2") as server:
        client = client_of(server)
        with pytest.raises(Untrusted) as refused:
            client.get("/x", "reading x")
        client.close()
    assert refused.value.key == "certificate_invalid"
    assert server.script.heard == []


def test_a_proxy_of_the_environment_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with playing(tmp_path, answer(200)) as server:
        client = client_of(server)
        assert client.get("/x", "reading x") == {}
        client.close()


def test_f16_a_server_that_is_away_is_for_later(tmp_path: Path) -> None:
    with playing(tmp_path, answer(200)) as server:
        client = client_of(server)
    with pytest.raises(Unavailable) as refused:
        client.get("/x", "reading x")
    client.close()
    assert refused.value.key == "cluster_connect_failed"
    assert "refused" in refused.value.message


@pytest.mark.parametrize(("request_", "sent"), [(APPLY, 1), (DRY_RUN, 2), (Request("GET", "/x", "reading x"), 2)])
def test_f18_only_what_has_no_effect_is_sent_twice(tmp_path: Path, request_: Request, sent: int) -> None:
    with playing(tmp_path, cut) as server:
        client = client_of(server)
        with pytest.raises(Unavailable) as refused:
            client.send(request_)
        client.close()
    assert refused.value.key == "cluster_connect_failed"
    assert len(server.script.heard) == sent == client.requests.total()


def test_a_read_survives_a_connection_that_the_server_had_closed(tmp_path: Path) -> None:
    with playing(tmp_path, answer(200), cut, answer(200, '{"a": 1}')) as server:
        client = client_of(server)
        client.get("/x", "reading x")
        assert client.get("/x", "reading x") == {"a": 1}
        client.close()


def test_f18_a_server_that_does_not_answer_is_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "READ_SECONDS", 0.1)
    with playing(tmp_path, silence) as server:
        client = client_of(server)
        with pytest.raises(Unavailable):
            client.send(APPLY)
        client.close()


def test_an_answer_that_is_too_large_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 1000)
    with playing(tmp_path, answer(200, '"' + "x" * 2000 + '"')) as server:
        client = client_of(server)
        with pytest.raises(Unavailable) as refused:
            client.get("/x", "reading x")
        client.close()
    assert "larger than 1000 bytes" in refused.value.message


@pytest.mark.parametrize("body", ["<html>", "", "[" * 100_000])
def test_an_answer_that_is_not_json_is_for_later(tmp_path: Path, body: str) -> None:
    with playing(tmp_path, answer(200, body)) as server:
        client = client_of(server)
        with pytest.raises(Unavailable):
            client.get("/x", "reading x")
        client.close()


def test_a_client_certificate_is_shown_to_the_server(tmp_path: Path) -> None:
    identity = client_identity()
    certificate = ClientCertificate(identity.certificate, Secret(identity.private_key))
    with playing(tmp_path, answer(200, '{"a": 1}'), client_ca=identity.ca) as server:
        client = Client(connection(server.endpoint, server.ca_pem, certificate=certificate))
        assert client.get("/x", "reading x") == {"a": 1}
        client.close()
    assert "Authorization" not in server.script.heard[0]


@pytest.mark.parametrize("broken", ["other key", "no key", "encrypted key", "no certificate"])
def test_a_client_certificate_must_be_whole(broken: str) -> None:
    one, two = client_identity(), client_identity(password=b"secret")
    pairs = {
        "other key": (one.certificate, client_identity().private_key),
        "no key": (one.certificate, one.certificate),
        "encrypted key": (two.certificate, two.private_key),
        "no certificate": ("nothing", one.private_key),
    }
    chain, key = pairs[broken]
    with pytest.raises(Rejected) as refused:
        connection("https://127.0.0.1:1", one.ca, certificate=ClientCertificate(chain, Secret(key)))
    assert refused.value.key == "certificate_invalid"
    assert "PRIVATE" not in refused.value.message


def test_a_connection_needs_exactly_one_identity() -> None:
    identity = client_identity()
    certificate = ClientCertificate(identity.certificate, Secret(identity.private_key))
    with pytest.raises(Rejected):
        connection("https://127.0.0.1:1", identity.ca)
    with pytest.raises(Rejected):
        connection("https://127.0.0.1:1", identity.ca, token=Secret("t"), certificate=certificate)


def test_a_ca_file_with_a_key_in_it_is_refused() -> None:
    identity = client_identity()
    with pytest.raises(Rejected):
        connection("https://127.0.0.1:1", identity.ca + identity.private_key, token=Secret("t"))


FIXED = "Invalid value: canary: field is immutable"
ROLE = 'Invalid value: {"kind":"Role"}: cannot change roleRef'
SET = "Forbidden: updates to statefulset spec for fields other than 'replicas', 'template' are forbidden"


@pytest.mark.parametrize(
    ("status", "messages", "unchangeable"),
    [
        (422, [FIXED], True),
        (422, [ROLE], True),
        (422, [SET], True),
        (422, [FIXED, "Required value"], False),
        (422, ["Required value"], False),
        (422, [], False),
        (403, [FIXED], False),
    ],
)
def test_only_fields_that_cannot_change_make_it_a_case_for_another_object(
    status: int, messages: list[str], *, unchangeable: bool
) -> None:
    causes = [{"reason": "FieldValueInvalid", "message": message, "field": "spec"} for message in messages]
    body = {"kind": "Status", "status": "Failure", "reason": "Invalid", "details": {"causes": causes}}
    assert Answer(status, json.dumps(body).encode(), "applying").unchangeable is unchangeable
