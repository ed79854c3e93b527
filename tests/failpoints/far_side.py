"""What is left after a run, read from the far sides alone: the repository, the clusters, the hosts. Never our own log.

Two runs of the same scene never have the same times, event ids, new commits and new UIDs; `Names` puts words in their
place, so that everything else can be compared for equality.
"""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from reconciler.app.journal import fold_files
from reconciler.app.settings import FILE_NAME, load_settings
from reconciler.app.wiring import repository_id
from reconciler.forges.embedded import log
from reconciler.forges.embedded.record import Commented, CommentEdited, Opened, StatusSet
from reconciler.git import anchor, audit_chain
from reconciler.git.audit_branch import AUDIT
from reconciler.git.bare import BareRepository
from reconciler.git.keys import SigningKey
from reconciler.git.transport import Transport
from reconciler.machine.ledger import Ledger
from reconciler.names import SHORT, EventId
from reconciler.sandbox.cluster import SandboxCluster
from reconciler.sandbox.hosts import SandboxHost
from reconciler.sandbox.world import World
from reconciler.state.event import Event

TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00| UTC)?")
EVENT_ID = re.compile(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b")
COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
SHORTENED = re.compile(rf"\b[0-9a-f]{{{SHORT}}}\b")
UID = re.compile(r"\b[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\b")
HEARD = "heard.jsonl"  # in the world's folder: what arrived where people are told
LEFT = re.compile(r'("activeDeadlineSeconds": ?)\d+')  # of a run: what its step had left when it was made
LASTED = re.compile(r'("duration_ms": ?|duration: )\d+(\.\d+)?|in \d+(\.\d+)? ?m?s\b')


@dataclasses.dataclass(frozen=True, slots=True)
class Left:
    """What a run left. `ends` are compared as they are, `counts` by how often each thing was done."""

    ends: Mapping[str, Mapping[str, str]]
    counts: Mapping[str, Counter[str]]
    findings: tuple[str, ...]


def look(world: World, known: AbstractSet[str]) -> Left:
    """Everything there is. `known` are the commits and UIDs that the scene began with, which keep their names."""
    settings = load_settings(world.home / FILE_NAME)
    repository = _origin(world)
    events, ledger, wrong = audited(world)
    made = {commit[:SHORT] for commit in _commits(repository)} - {name[:SHORT] for name in known}
    names = Names(known, made, {event.event_id: event.action for event in events})
    forge = _Forge(repository, repository_id(settings))
    clusters = {name: world.sandbox(name) for name in world.clusters}
    hosts = {name: host for name, host in world.hosts.items() if isinstance(host, SandboxHost)}
    return Left(
        ends={
            "ledger": {field.name: names.text(getattr(ledger, field.name)) for field in dataclasses.fields(ledger)},
            "statuses": {names.text(place): names.text(said) for place, said in forge.statuses().items()},
            "comments": {
                place: names.text(sorted(map(names.text, found))) for place, found in forge.comments().items()
            },
            "refs": _refs(repository, names),
            **{f"cluster {name}": _objects(one, names) for name, one in clusters.items()},
            **{f"host {name}": _files(one.root) for name, one in hosts.items()},
        },
        counts={
            "events": Counter(names.text(_told(event)) for event in events),
            "forge": Counter(names.text(one) for one in forge.said()),
            "people": Counter(names.text(line) for line in _heard(world)),
            **{f"cluster {name}": _effects(one) for name, one in clusters.items()},
            **{f"host {name}": Counter(one.effects()) for name, one in hosts.items()},
        },
        findings=wrong,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Names:
    """Puts words in place of what no two runs share."""

    known: AbstractSet[str]
    made: AbstractSet[str]  # new commits, as they are shortened in texts
    actions: Mapping[EventId, str]

    def text(self, value: Any) -> str:
        """A value as text that another run can be compared with."""
        text = value if isinstance(value, str) else json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)
        text = EVENT_ID.sub(lambda found: f"<event {self.actions.get(EventId(found[0]), '?')}>", text)
        text = TIME.sub("<time>", text)
        text = LEFT.sub(r"\1<left>", LASTED.sub("<lasted>", text))
        for pattern in (COMMIT, UID):
            text = pattern.sub(lambda found: found[0] if found[0] in self.known else "<new>", text)
        return SHORTENED.sub(lambda found: "<new>" if found[0] in self.made else found[0], text)


def audited(world: World) -> tuple[list[Event], Ledger, tuple[str, ...]]:
    """The audit branch folded afresh, and what `reconciler audit verify` finds wrong with it."""
    settings = load_settings(world.home / FILE_NAME)
    repository = _origin(world)
    events: list[Event] = []
    ledger = Ledger()
    tip = repository.ref(AUDIT)
    assert tip is not None, "there is no audit branch"
    absorbed: set[EventId] = set()
    for record in audit_chain.records(repository, audit_chain.between(repository, None, tip)):
        fold_files(record.files, ledger, events, absorbed)
    ours = {SigningKey.load(settings.signing_key).public.line}
    remembered = anchor.read(settings.audit_tip)
    wrong = [f"{one.revision}: {one.problem}" for one in audit_chain.findings(repository, tip, ours, remembered.tip)]
    if remembered != anchor.Anchor(tip):
        wrong.append(f"the anchor is {remembered}, the branch stands at {tip}")
    return events, ledger, tuple(wrong)


class _Forge:
    """The forge's log, record by record."""

    def __init__(self, repository: BareRepository, identity: str) -> None:
        batch = log.Log(identity).fresh(repository, repository.ref(log.REF))
        assert not batch.ignored, batch.ignored
        self._places = {place: commit for commit, place in batch.places.items()}
        self._entries = batch.entries

    def said(self) -> Iterator[str]:
        """Every record, without when and after what it was written."""
        for entry in self._entries:
            said = entry.record.said.model_dump(mode="json")
            for name in ("seen", "decision", "decision_signature"):
                said.pop(name, None)
            if isinstance(entry.record.said, Commented | CommentEdited):
                said["body"] = said["body"].splitlines()[0]  # the marker; the text is compared in the end
            yield f"{entry.record.author} #{entry.record.number} {json.dumps(said, sort_keys=True)}"

    def statuses(self) -> Mapping[str, str]:
        """The last of each commit and context."""
        all_of = [entry.record.said for entry in self._entries if isinstance(entry.record.said, StatusSet)]
        return {f"{one.revision} {one.context}": f"{one.state}: {one.description}" for one in all_of}

    def comments(self) -> Mapping[str, Sequence[str]]:
        """The texts that stand under each pull request, and the pull requests."""
        texts: dict[int, tuple[int, str]] = {}
        found: dict[str, list[str]] = {}
        for entry in self._entries:
            said = entry.record.said
            match said:
                case Opened():
                    found[f"#{entry.record.number}"] = [f"{said.head_ref}: {said.title}"]
                case Commented():
                    texts[entry.position] = (entry.record.number, said.body)
                case CommentEdited():
                    texts[int(said.comment)] = (entry.record.number, said.body)
        for number, body in texts.values():
            found.setdefault(f"#{number}", []).append(body)
        return found


def _heard(world: World) -> list[str]:
    file = world.folder / HEARD
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def known_names(world: World) -> frozenset[str]:
    """The commits of every ref and the UIDs of every object, as they are now."""
    objects = [body for name in world.clusters for body in world.sandbox(name).contents().values()]
    return frozenset((*_commits(_origin(world)), *(str(body["metadata"]["uid"]) for body in objects)))


def _commits(repository: BareRepository) -> list[str]:
    return repository.git("rev-list", "--all").text.split()


def _origin(world: World) -> BareRepository:
    return BareRepository(world.origin, Transport(world.folder / "git-home"))


def _refs(repository: BareRepository, names: Names) -> dict[str, str]:
    """Branches and decisions; a decision's name is a hash of its signature."""
    found: dict[str, list[str]] = {}
    for name in repository.objects.references:
        if name not in {AUDIT, log.REF}:
            found.setdefault(names.text(name), []).append(names.text(str(repository.ref(name))))
    return {name: ", ".join(sorted(targets)) for name, targets in found.items()}


def _told(event: Event) -> dict[str, Any]:
    told: dict[str, Any] = _plain(event)
    return {name: value for name, value in told.items() if name not in {"event_id", "occurred_at"}}


def _effects(cluster: SandboxCluster) -> Counter[str]:
    return Counter(f"{effect.verb} {effect.path}" for effect in cluster.real_effects)


def _objects(cluster: SandboxCluster, names: Names) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, body in cluster.contents().items():
        body["metadata"].pop("resourceVersion", None)  # one counter of the whole cluster
        found[key] = names.text(body)
    return found


def _files(root: Path) -> dict[str, str]:
    """What a host holds by name; the texts of what hooks made. Logs and the runner's own bookkeeping have times."""
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            name = str(path.relative_to(root))
            lasting = name == "installed.json" or name.startswith("sandbox/")
            found[name] = path.read_text(errors="replace") if lasting else ""
    return found


def _plain(value: Any) -> Any:
    """Any value of the product as JSON; sets are sorted."""
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case set() | frozenset():
            return sorted((_plain(item) for item in value), key=str)
        case list() | tuple():
            return [_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
        case _:
            return value
