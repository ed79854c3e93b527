"""What is said and shown: secrets leave it, and everything else stays readable."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.git.outcry import quoted
from reconciler.kube.answers import Answer, error_of
from reconciler.plan.hide import hidden, hidden_of, hidden_value
from reconciler.plan.mask import mask_value
from reconciler.secret import MASK
from reconciler.ssh.text import masked, one_line
from tests.leaks.forms import Searcher

CANARY = "Zq7Wc9Lk2Vb5Nm8RtY4x"
SEARCHER = Searcher({"canary": CANARY})

HIDDEN = {
    f"password={CANARY}": f"password={MASK}",
    f'registry_password: "{CANARY}"': f'registry_password: "{MASK}"',
    f"kubeadm join 10.0.0.1:6443 --token {CANARY} --discovery-token-ca-cert-hash sha256:00": (
        f"kubeadm join 10.0.0.1:6443 --token {MASK} --discovery-token-ca-cert-hash {MASK}"
    ),
    f"--certificate-key {CANARY}": f"--certificate-key {MASK}",
    f"docker login -u x --password {CANARY} registry.invalid": f"docker login -u x --password {MASK} registry.invalid",
    f"Authorization: Bearer {CANARY}": f"Authorization: {MASK} {MASK}",
    f"fatal: unable to access 'https://bot:{CANARY}@forge.invalid/r'": (
        f"fatal: unable to access 'https://bot:{MASK}@forge.invalid/r'"
    ),
    f"a\n-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\nb": f"a\n{MASK}\nb",
    f"cut -----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}": f"cut {MASK}",
    f"AGE-SECRET-KEY-1{CANARY}": MASK,
    f'{{"env":"{{\\"apiKey\\": \\"{CANARY}\\"}}"}}': f'{{"env":"{{\\"apiKey\\": \\"{MASK}\\"}}"}}',
    base64.b64encode(f"-----BEGIN PRIVATE KEY-----\n{CANARY}".encode()).decode(): MASK,
}
SHOWN = (
    "check=tools result=ok", "[ERROR] check=marker runtime=k8s result=missing", "password is missing",
    "image token-service:v2 was not found", "https://forge.invalid/r.git: 403", "secret svc-a-db was not found",
    "-----BEGIN CERTIFICATE----- MIIB", "eyJ is no web token", "10.0.0.1:6443", "",
)  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), HIDDEN.items(), ids=range(len(HIDDEN)))
def test_t17_words_of_others_lose_their_secrets_and_nothing_else(text: str, shown: str) -> None:
    assert not SEARCHER.found(hidden(text).encode())
    assert hidden(text) == shown


@pytest.mark.parametrize("text", SHOWN)
def test_words_without_secrets_stay_as_they_are(text: str) -> None:
    assert hidden(text) == text


@pytest.mark.parametrize("text", HIDDEN, ids=range(len(HIDDEN)))
def test_t17_what_hosts_and_git_say_goes_that_way(text: str) -> None:
    said = f"{masked(text, ())} {one_line(text.encode())} {quoted(text)}"
    assert not SEARCHER.found(said.encode())


OBJECTS: dict[str, Any] = {
    "a Secret": {"kind": "Secret", "data": {"x": base64.b64encode(CANARY.encode()).decode()}},
    "a Secret's text": {"kind": "Secret", "stringData": {"x": CANARY}},
    "a variable": {"kind": "Pod", "spec": {"containers": [{"env": [{"name": "DB_PASSWORD", "value": CANARY}]}]}},
    "an argument": {"kind": "Pod", "spec": {"containers": [{"args": ["--token", CANARY]}]}},
    "a URL": {"kind": "ConfigMap", "data": {"db": f"postgres://u:{CANARY}@h/x"}},
    "a list": {"kind": "X", "spec": {"tokens": [CANARY, {"a": [CANARY]}]}},
    "odd signs": {"kind": "X", "spec": {"password": f'"{CANARY}\n\\'}},
    "an annotation": {
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"a": CANARY})}}
    },
}
QUOTES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in JSON": lambda value: json.dumps({"found": value}),
    "in JSON in JSON": lambda value: json.dumps(json.dumps({"found": value})),
    "within words": lambda value: f"Invalid value: {value}: no",
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("way", QUOTES)
def test_cve_2025_23216_what_a_server_says_of_an_object_loses_the_objects_secrets(name: str, way: str) -> None:
    said = "\n".join(QUOTES[way](text) for text in _texts(OBJECTS[name]))
    assert not SEARCHER.found(hidden_of(said, OBJECTS[name]).encode())
    status = json.dumps({"kind": "Status", "message": said, "reason": "Invalid"}).encode()
    for code in (400, 403, 404, 409, 422, 429, 500, 503):
        error = error_of(Answer(code, status, "applying it", about_object=OBJECTS[name]))
        assert not SEARCHER.found(str(error).encode())


def test_a_spec_on_a_screen_shows_no_secret_and_no_mark() -> None:
    shown = hidden_value({"variables": {"db_password": CANARY, "tag": "v1"}, "credential": "c", "n": 1})
    assert shown == {"variables": {"db_password": MASK, "tag": "v1"}, "credential": "c", "n": 1}


RUNS = ("a", "eyJ", "eyJaaaaaaaa", "token", "x://", "bearer a1 ", "password=", "--", "-a", '\\"', "://a:", "BEGIN ")


@pytest.mark.parametrize("run", RUNS)
def test_t24_a_long_run_of_signs_is_read_in_one_pass(run: str) -> None:
    """It ends: a pattern that reads the rest again from each letter takes hours for this."""
    text = run * (200_000 // len(run))
    assert hidden(text)
    assert hidden_of(text, {"kind": "Secret", "stringData": {"password": CANARY}})
    assert mask_value(text[: len(text) // 2], b"key")


CONFIG = "".join(f"{number:04d}-{CANARY}" for number in range(9))  # several lines of base64
CUT: dict[str, Callable[[str], str]] = {
    "as base64 writes it": lambda text: re.sub("(.{76})", r"\1\n", text),
    "as openssl and PEM do": lambda text: re.sub("(.{64})", r"\1\r\n", text),
    "short and indented": lambda text: re.sub("(.{11})", r"\1\n\t    ", text),
    "in a text of JSON": lambda text: json.dumps(re.sub("(.{20})", r"\1\n", text)),
    "with empty lines": lambda text: re.sub("(.{30})", r"\1 \r\n\r\n", text),
    "its beginning is cut off": lambda text: re.sub("(.{40})", r"\1\n", text).partition("\n")[2],
    "and its end": lambda text: re.sub("(.{40})", r"\1\n", text).rpartition("\n")[0],
}
SPELLED: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "base64": base64.b64encode,
    "within base64": lambda raw: base64.b64encode(b"a user:" + raw + b"@db"),
    "within base64url": lambda raw: base64.urlsafe_b64encode(b"a user :" + raw + b"@db"),
}


@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize("spelled", SPELLED)
def test_t17_what_is_broken_over_lines_is_found_however_they_are_cut(cut: str, spelled: str) -> None:
    about = {"kind": "Secret", "stringData": {"config": CONFIG}}
    text = CUT[cut](SPELLED[spelled](CONFIG.encode()).decode())
    if "cut" in cut or "end" in cut:  # a line that says something else beside the secret is not known any more
        text = "\n".join(
            line for line in text.splitlines() if line in SPELLED[spelled](CONFIG.encode()).decode()[20:-20]
        )
    shown = hidden_of(f"reading it\n{text}\nand no more\n", about)
    assert not Searcher({"config": CONFIG}).found(shown.encode())
    assert shown.startswith("reading it\n")
    assert shown.endswith("\nand no more\n")


def test_words_beside_secrets_that_are_looked_for_over_lines_stay() -> None:
    about = {"kind": "Secret", "stringData": {"a": CONFIG, "b": "one two", "c": "plan"}}
    text = "\r\n".join([*SHOWN, "migrating", "one", "two", "  done in 3s", "table=users rows=12", "AAAAAAAAAAAA", ""])
    assert hidden_of(text, about) == text


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value]


def test_what_a_secret_holds_is_hidden_as_written_and_as_seen_by_who_mounts_it() -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"word": "aHVudGVyMi1vZi1zdmM="}}
    shown = hidden_of("connecting as hunter2-of-svc (aHVudGVyMi1vZi1zdmM=) failed", body)
    assert "hunter2" not in shown
    assert "aHVudGVy" not in shown
    assert hidden_of("fine", {**body, "data": {"word": "%%%"}}) == "fine"
