"""The whole story with canaries: nobody finds one anywhere but in the places that are meant to hold it.

PLACES is that list. A secret of the sinks is told by its name in `tale.secrets`; places and names are patterns.
"""

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.leaks.sinks import Text, files, repositories, repository
from tests.leaks.tale import COMMITTED, Tale, told

OF_PEOPLE: Final = "|".join(COMMITTED)
PLACES: Final = {
    r"git blob: .*:releases/svc-a/((manifests|private)/)?\w+\.yaml$": (
        OF_PEOPLE,
        "what people committed is what Git holds",
    ),
    r"(file|sqlite): .*/cache/specs\.sqlite(:answers)?$": (
        OF_PEOPLE,
        "a cache of the same files, in a folder that only its owner may read",
    ),
    r"file: keys/([\w-]+)$": (r"key [\w-]+", "the private keys of people and of the login to hosts, mode 0600"),
    r"file: reconciler/state/keys/\w+$": (r"key (signing_key|hmac_key|age_identity)", "the reconciler's own keys"),
    r"file: reconciler/k8s-prod-external\.kubeconfig$": (
        "token of cluster prod",
        "the file that reconciler.toml names as a Credential, mode 0600",
    ),
    r"file: bundles/sandbox-bundle/hooks/preflight\.sh$": ("hook .*", "the hook of this story has what it says in it"),
    r"file: hosts/[\w-]+/opspilot/.*/hooks/preflight\.sh$": ("hook .*", "the same, delivered"),
    r"file: hosts/[\w-]+/opspilot/store/\w+$": ("hook .*", "the same, by content"),
    r"file: hosts/[\w-]+/opspilot/operations/[\w.-]+/(log|stderr)$": (
        "hook .*",
        "the host's own log of what ran there, in a folder that only root may read",
    ),
    r"replaced or removed: .*/state/keys/\w+\.\d+\.new$": (
        "key (hmac_key|age_identity)",
        "a key on its way to its own name, mode 0600 in a folder of mode 0700",
    ),
}
VERBS: Final = (
    "validate", "doctor -o json", "preview --pr 6", "get release -o json", "describe release svc-a", "timeline -o json",
    "inbox -o json", "task list -o json", "events -o json", "explain-drift svc-a", "run --once",
)  # fmt: skip


@pytest.fixture
def tale(tmp_path: Path) -> Iterator[Tale]:
    with told(tmp_path) as made:
        for verb in VERBS:
            made.type(*verb.split())
        for name in _logged_tasks(made):
            made.type("task", "logs", name)
        yield made


def _logged_tasks(tale: Tale) -> list[str]:
    return sorted(set(re.findall(r'"task": "([^"]+)"', _typed(tale, "task list").decode())))


def _typed(tale: Tale, verb: str) -> bytes:
    return b"".join(text.content for text in tale.typed if text.where.startswith(verb))


def _sinks(tale: Tale) -> dict[str, list[Text]]:
    found: dict[str, list[Text]] = {"files": [*files(tale.folder / "world"), *files(tale.folder / "tmp")]}
    found["repositories"] = [text for path in repositories(tale.folder) for text in repository(path)]
    found["logs"] = [Text("log", "all levels", tale.logs.getvalue().encode())]
    found["faults"] = [Text("fault", "of every round", "\n".join(tale.faults).encode())]
    found["arguments"] = [Text("arguments of a child", "", one) for one in tale.watched.arguments]
    found["environments"] = [Text("environment of a child", "", one) for one in tale.watched.environments]
    found["removed"] = [Text("replaced or removed", name, content) for name, content in tale.watched.removed]
    found["verbs"] = tale.typed
    return found


def test_t16_t17_t18_no_secret_is_where_it_is_not_meant_to_be(tale: Tale) -> None:
    """One test, because the story is long and is told once, whichever process runs it."""
    _check_told_to_its_end(tale)
    leaks: dict[str, list[str]] = {}
    for sink, texts in _sinks(tale).items():
        assert texts, f"nothing was searched of {sink}"
        found = sorted({leak for text in texts for leak in _leaks(tale, text)})
        if found:
            leaks[sink] = found
    assert leaks == {}
    _check_modes(tale)


def _leaks(tale: Tale, text: Text) -> Iterator[str]:
    hits = tale.leaks_in(text.content)
    named = f"{text.kind}: {text.where}"
    meant = [re.compile(names) for place, (names, _) in PLACES.items() if hits and re.fullmatch(place, named)]
    for hit in hits:
        if not any(names.fullmatch(hit.rpartition(" as ")[0]) for names in meant):
            yield f"{named}: {hit}"


def _check_told_to_its_end(tale: Tale) -> None:
    """What is searched is what it is meant to be: every part of the story left its trace."""
    actions = [event.action for event in tale.world.opened.journal.events]
    wanted = {
        "applied",
        "rollback_completed",
        "drift_detected",
        "install_step_failed",
        "install_succeeded",
        "failed",
    }
    assert wanted <= set(actions)
    said = _typed(tale, "timeline").decode()
    assert "w.invalid" in said
    assert "its words may hold secret values" in said
    assert all(text.content for text in tale.typed if text.kind == "stdout" and text.where.startswith("get"))
    logs = _typed(tale, "task logs").decode()
    assert logs.count("==> svc-a/upgrade-") == 2  # of both versions of the sealed Secret
    assert "Secret svc-a/sealed: data.password" in _typed(tale, "events").decode()
    assert logs.count("password=***") >= len(tale.world.hosts)


def _check_modes(tale: Tale) -> None:
    """Where a disk is meant to hold a secret, only the owner may read it."""
    world = tale.folder / "world"
    for text in files(world):
        if text.kind in {"file", "sqlite"} and tale.leaks_in(text.content) and not text.where.startswith("bundles"):
            path = world / text.where.removesuffix(":answers")
            assert any(_closed(one) for one in (path, *path.parents) if one.is_relative_to(world)), path


def _closed(path: Path) -> bool:
    return not stat.S_IMODE(path.stat().st_mode) & 0o077
