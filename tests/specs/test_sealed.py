"""Secrets as SOPS writes them: opened by the reconciler alone, for their environment alone, and unchanged.

The files in sealed/ were written by sops 3.10, for the identity beside them, which opens nothing else.
"""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage
import pytest
import yaml

from reconciler.canonical import keyed_tag
from reconciler.names import UnitKind, UnitRef
from reconciler.plan.units import Cutter
from reconciler.specs.desired import Desired
from reconciler.specs.reader import Reader
from reconciler.specs.resolve import resolve
from reconciler.specs.sealed import BOUND, NotOpened, opened
from tests.specs.renderers import Stub
from tests.specs.repository import Repository, lines
from tests.specs.test_kustomization import kustomized
from tests.specs.test_release_source import world

FOLDER = Path(__file__).parent / "sealed"
CANARY = "canary-"


@dataclass
class Identity:
    """Opens with the tests' key, and counts."""

    key: Any = field(default_factory=lambda: pyrage.x25519.Identity.from_str(written()))
    asked: int = 0

    @property
    def recipient(self) -> str:
        return str(self.key.to_public())

    def open(self, armored: str) -> bytes | None:
        self.asked += 1
        try:
            return bytes(pyrage.decrypt(armored.encode(), [self.key]))
        except pyrage.DecryptError:
            return None

    def tag(self, clear: str) -> str:
        return keyed_tag(b"k" * 32, clear)


def written() -> str:
    return (FOLDER / "identity.txt").read_text().splitlines()[1]


def text(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text()


def read(
    repository: Repository, reader: Reader, opener: Identity | None = None, renderer: Stub | None = None
) -> Desired:
    loaded = repository.load(reader=reader)
    return resolve(loaded, repository.entries, repository.read, None, reader, renderer=renderer, opener=opener)


def in_manifests(content: str, reader: Reader) -> Desired:
    return read(world({"app/s.yaml": content}), reader, Identity())


SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "db", "labels": {"app": "web"}, "namespace": "apps"},
    "type": "Opaque",
    "immutable": False,
    "data": {"cert": base64.b64encode(b"canary-cert").decode()},
    "stringData": {"password": "canary-password", "empty": "", "query": "select '${who}'\n"},
}


def test_a_secret_is_opened_and_nothing_is_filled_into_it(reader: Reader) -> None:
    desired = in_manifests(text("good"), reader)
    assert lines(desired.problems) == []
    source = desired.sources["app"]
    assert source.objects == (SECRET,)
    assert source.in_the_open == ()


def test_no_value_is_in_what_can_be_printed_of_it(reader: Reader) -> None:
    desired = in_manifests(text("good"), reader)
    unit = Cutter(b"k" * 32, {}).cut(desired)[UnitRef(UnitKind.RELEASE, "app")]
    for said in (repr(desired), str(desired.sources["app"]), repr(unit), repr(unit.content)):
        assert CANARY not in said
        assert SECRET["data"]["cert"] not in said  # type: ignore[index]


def test_encrypting_the_same_again_is_no_change(reader: Reader) -> None:
    def artifact(content: str) -> str:
        return Cutter(b"k" * 32, {}).cut(in_manifests(content, reader))[UnitRef(UnitKind.RELEASE, "app")].artifact

    plain = {**SECRET, "metadata": {"name": "db", "labels": {"app": "web"}}}
    plain["stringData"] = {**SECRET["stringData"], "query": "select '$${who}'\n"}  # type: ignore[dict-item]
    first = artifact(text("good"))
    assert artifact(yaml.safe_dump(plain)) == first
    plain["stringData"] = {**plain["stringData"], "password": "another"}  # type: ignore[dict-item]
    assert artifact(yaml.safe_dump(plain)) != first


REFUSED = {
    "of_another_reconciler": ("credential_scope_denied", "it is not encrypted to this reconciler"),
    "of_another_environment": ("credential_scope_denied", "it was encrypted for another environment"),
    "unbound": (
        "credential_scope_denied",
        f"the annotation {BOUND} does not name its environment inside the encryption",
    ),
    "everything": ("validation_error", "only a Secret may be encrypted"),
    "mac_of_a_part": ("artifact_checksum_mismatch", "its MAC does not cover every value"),
    "a_number": ("validation_error", "stringData.port is no text"),
    "no_secret": ("validation_error", "only a Secret may be encrypted"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_opened_is_a_problem_with_a_place_and_without_values(case: str, reader: Reader) -> None:
    key, words = REFUSED[case]
    desired = in_manifests(text(case), reader)
    (problem,) = desired.problems
    assert problem.key == key
    assert words in problem.message
    assert problem.place.path == "app/s.yaml"
    assert problem.place.line > 0
    assert CANARY not in repr(desired.problems)
    assert desired.sources["app"].objects == ()
    assert desired.broken == {"dev"}


def test_the_recipient_is_told_to_who_used_another(reader: Reader) -> None:
    (problem,) = in_manifests(text("of_another_reconciler"), reader).problems
    assert Identity().recipient in problem.hint


GOOD = yaml.safe_load(text("good"))


def changed(*way: str, to: Any) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load(text("good"))
    part = body
    for step in way[:-1]:
        part = part[step]
    part[way[-1]] = to
    return body


CHANGES: dict[str, dict[str, Any]] = {
    "a name": changed("metadata", "name", to="other"),
    "a kind of content": changed("type", to="kubernetes.io/tls"),
    "a boolean": changed("immutable", to=True),
    "a value in place of an empty one": changed("stringData", "empty", to="x"),
    "a value in plain text": changed("stringData", "password", to="mine"),
    "one value for another": changed("stringData", "password", to=GOOD["stringData"]["query"]),
    "a value moved to another map": changed("data", "password", to=GOOD["stringData"]["password"]),
    "a value with another name": changed("stringData", "shown", to=GOOD["stringData"]["password"]),
    "a shorter value": changed("stringData", "password", to=GOOD["stringData"]["password"].replace("data:", "data:A")),
    "no leaf": changed("stringData", "password", to="ENC[AES256_GCM,data:x]"),
    "another algorithm": changed("stringData", "password", to="ENC[ROT13,data:eA==,iv:eA==,tag:eA==,type:str]"),
    "an order": {**GOOD, "stringData": dict(reversed(GOOD["stringData"].items()))},
    "a value left out": {**GOOD, "stringData": {"empty": ""}},
    "another time": changed("sops", "lastmodified", to="2020-01-01T00:00:00Z"),
    "another MAC": changed("sops", "mac", to=GOOD["stringData"]["password"]),
    "no MAC": changed("sops", "mac", to=None),
    "a MAC of a part": changed("sops", "mac_only_encrypted", to=True),
    "a MAC in plain text": changed("sops", "mac", to="0" * 128),
}


@pytest.mark.parametrize("case", CHANGES, ids=lambda case: case.replace(" ", "-"))
def test_what_was_changed_after_it_was_encrypted_is_refused(case: str) -> None:
    with pytest.raises(NotOpened) as refused:
        opened(CHANGES[case], "dev", Identity(), whole=True)
    assert refused.value.key == "artifact_checksum_mismatch"
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    "about", [None, [], {}, {"age": {}}, {"age": [1, {"recipient": 1}]}, {"key_groups": [{}]}, {"shamir_threshold": 2}]
)
def test_a_block_that_is_none_is_refused(about: Any) -> None:
    with pytest.raises(NotOpened):
        opened({**GOOD, "sops": about}, "dev", Identity(), whole=True)


def test_the_environment_stands_inside_the_encryption() -> None:
    with pytest.raises(NotOpened) as refused:
        opened(changed("metadata", "annotations", BOUND, to="dev"), "dev", Identity(), whole=False)
    assert refused.value.key == "credential_scope_denied"
    other = yaml.safe_load(text("of_another_environment"))["metadata"]["annotations"][BOUND]
    with pytest.raises(NotOpened):
        opened(changed("metadata", "annotations", BOUND, to=other), "production", Identity(), whole=False)


def test_a_kustomization_may_rename_it_and_not_touch_its_values(reader: Reader) -> None:
    body = {**changed("metadata", "name", to="prod-db"), "stringData": dict(sorted(GOOD["stringData"].items()))}
    files: dict[str, str | bytes] = {
        "app/prod/kustomization.yaml": "resources: [s.yaml]",
        "app/prod/s.yaml": text("good"),
    }
    desired = read(kustomized(files), reader, Identity(), Stub(yaml.safe_dump(body)))
    assert lines(desired.problems) == []
    (item,) = desired.sources["app"].objects
    assert item["metadata"]["name"] == "prod-db"
    assert item["stringData"] == SECRET["stringData"]
    moved = changed("stringData", "shown", to=GOOD["stringData"]["password"])
    desired = read(kustomized(files), reader, Identity(), Stub(yaml.safe_dump(moved)))
    assert [problem.key for problem in desired.problems] == ["artifact_checksum_mismatch"]


def test_it_does_not_hide_in_a_list(reader: Reader) -> None:
    (problem,) = in_manifests(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [GOOD]}), reader).problems
    assert "what SOPS encrypted stands in a document of its own" in problem.message


def test_without_an_identity_it_is_said_of_the_release(reader: Reader) -> None:
    desired = read(world({"app/s.yaml": text("good")}), reader)
    assert lines(desired.problems) == []
    unrendered = desired.sources["app"].unrendered
    assert unrendered is not None
    assert unrendered.key == "permission_denied"
    assert desired.sources["app"].objects == ()


def test_secrets_in_plain_text_are_named(reader: Reader) -> None:
    plain = "apiVersion: v1\nkind: Secret\nmetadata: {name: open}\nstringData: {a: b}\n---\n"
    token = "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\ntype: kubernetes.io/service-account-token\n"
    desired = read(world({"app/s.yaml": text("good"), "app/t.yaml": plain + token}), reader, Identity())
    assert desired.sources["app"].in_the_open == ("Secret apps/open",)
