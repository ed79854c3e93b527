"""The audit branch: nothing lost, nothing twice, nothing changed (G24; T40; F2, F10, F28)."""

import multiprocessing
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Refused, Rejected, Unavailable, Untrusted
from reconciler.git import anchor as anchors
from reconciler.git import audit_branch, history
from reconciler.git.audit_branch import AUDIT, AuditBranch, Entry
from reconciler.git.audit_chain import findings
from reconciler.git.audit_message import entry_of, message_of
from reconciler.git.bare import BareRepository
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.git.transport import Transport
from reconciler.git.write import commit_tree
from reconciler.names import Revision

from .world import ANNA, AT, ENVIRONMENT, ROOT, Reply, Request, World, git, http_backend, serving

KEY = SigningKey.generate()
OTHER = SigningKey.generate()
BRANCH = AUDIT.removeprefix("refs/heads/")


def entry(name: str, **files: bytes) -> Entry:
    path = f"events/{name}.json"
    return Entry(f"recorded {name}", {"Action": "applied", "Actor": name}, {path: f"{name}\n".encode(), **files})


def opened(
    world: World, name: str = "a", key: SigningKey = KEY, trusted: Sequence[SigningKey] = (KEY, OTHER)
) -> AuditBranch:
    """The audit branch as one reconciler has it, with its own mirror and anchor."""
    mirror = Mirror(world.folder / f"audit-{name}", world.address, world.transport)
    anchor = world.folder / f"anchor-{name}"
    return AuditBranch(mirror, key, anchor, trusted=[each.public.line for each in trusted])


def tip_of(world: World) -> Revision:
    return Revision(git(world.remote, "rev-parse", AUDIT))


def names_on(world: World) -> list[str]:
    """What a person reads in `git log`, oldest first."""
    return git(world.remote, "log", "--reverse", "--format=%s", AUDIT).splitlines()


def set_remote(world: World, revision: str) -> None:
    git(world.remote, "update-ref", AUDIT, revision)


def test_an_append_is_a_signed_commit_that_people_can_read(world: World, tmp_path: Path) -> None:
    branch = opened(world)
    made = branch.append([entry("one"), entry("two", **{"logs/x.txt": b"log\n"})], at=AT)
    assert tip_of(world) == made[-1] == branch.tip()
    assert names_on(world) == ["recorded one", "recorded two"]
    assert git(world.remote, "show", f"{AUDIT}:events/one.json") == "one"
    assert git(world.remote, "show", f"{AUDIT}:logs/x.txt") == "log"
    message = git(world.remote, "log", "-1", "--format=%B", AUDIT)
    assert "[skip ci]" in message
    assert (
        git(world.remote, "interpret-trailers", "--parse", stdin=f"{message}\n".encode())
        == "Action: applied\nActor: two"
    )
    allowed = tmp_path / "allowed"
    allowed.write_text(f"reconciler@localhost {KEY.public.line}\n")
    settings = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}")
    for revision in made:
        git(world.remote, *settings, "verify-commit", revision)
    assert branch.verify() == ()


def test_what_was_appended_is_read_back(world: World) -> None:
    branch = opened(world)
    first, *_ = branch.append([entry("one"), entry("two")], at=AT)
    branch.append(
        [Entry("three", {"Source": "api"}, {"x": b"3"}, "Why\nand how.\n\nMore.")], at=AT + timedelta(hours=1)
    )
    records = list(branch.read())
    assert [record.entry.subject for record in records] == ["recorded one", "recorded two", "three"]
    assert [record.entry.subject for record in branch.read(first)] == ["recorded two", "three"]
    assert list(branch.read(records[-1].revision)) == []
    assert records[2].entry == Entry("three", {"Source": "api"}, {"x": b"3"}, "Why\nand how.\n\nMore.")
    assert records[2].at == AT + timedelta(hours=1)
    assert records[0].files == {"events/one.json": b"one\n"}
    assert branch.file("events/one.json") == b"one\n"
    assert branch.file("no/such") is None
    with pytest.raises(Untrusted):
        list(branch.read(world.clone.head()))


def test_the_same_entry_is_appended_once(world: World) -> None:
    branch = opened(world)
    one, two = branch.append([entry("one"), entry("two")], at=AT)
    again = branch.append([entry("one"), entry("two"), entry("three")], at=AT + timedelta(hours=1))
    assert again[:2] == (one, two)
    assert names_on(world) == ["recorded one", "recorded two", "recorded three"]
    mixed = branch.append([entry("four"), entry("two")], at=AT)
    assert mixed[1] == two
    assert names_on(world)[-1] == "recorded four"


def test_an_answer_that_was_lost_leads_to_no_second_record(world: World) -> None:
    branch = opened(world)
    branch.append([entry("zero")], at=AT)
    before = tip_of(world)
    made = branch.append([entry("one")], at=AT)
    # as after a crash between the push and everything that follows it
    repository = Mirror(world.folder / "audit-a", world.address, world.transport).repository
    for ref in (AUDIT, "refs/local/audit"):
        repository.set_ref(ref, before)
    anchors.write(world.folder / "anchor-a", anchors.Anchor(before))
    assert opened(world).append([entry("one")], at=AT + timedelta(minutes=1)) == made
    assert names_on(world) == ["recorded zero", "recorded one"]


@pytest.mark.parametrize("first", [True, False])
def test_a_push_whose_answer_is_lost_on_the_way_is_found_again(world: World, first: bool) -> None:  # noqa: FBT001
    backend, broken = http_backend(world.folder), True

    def answer(request: Request) -> Reply:
        reply = backend(request)
        return (502, {}, b"") if broken and request.path.endswith("/git-receive-pack") else reply

    with serving(answer) as requests:
        mirror = Mirror(world.folder / "audit-a", Remote(f"{requests.url}/remote.git"), world.transport)
        branch = AuditBranch(mirror, KEY, world.folder / "anchor-a")
        if not first:
            broken = False
            branch.append([entry("zero")], at=AT)
            broken = True
        with pytest.raises(Unavailable):
            branch.append([entry("one")], at=AT)
        broken = False
        branch.append([entry("one"), entry("two")], at=AT + timedelta(hours=1))
    assert names_on(world) == [*(() if first else ("recorded zero",)), "recorded one", "recorded two"]
    assert branch.verify() == ()


def test_a_branch_that_somebody_else_began_first_is_not_believed(world: World) -> None:
    branch, away = opened(world), world.folder / "away.git"
    branch.tip()
    world.remote.rename(away)
    with pytest.raises(Unavailable):
        branch.append([entry("one")], at=AT)
    away.rename(world.remote)
    opened(world, "b", OTHER).append([entry("theirs")], at=AT)
    with pytest.raises(Untrusted, match="did not write"):
        branch.append([entry("one")], at=AT)
    branch.trust(tip_of(world))
    branch.append([entry("one")], at=AT)


def test_a_file_is_never_overwritten_unless_it_said_so(world: World) -> None:
    branch = opened(world)
    branch.append([Entry("one", {}, {"a": b"1", "state": b"1"}, replaces=frozenset({"state"}))], at=AT)
    with pytest.raises(Rejected) as caught:
        branch.append([Entry("two", {}, {"a": b"2"})], at=AT)
    assert caught.value.key == "resource_conflict"
    branch.append([Entry("three", {}, {"b": b"3", "state": b"3"}, replaces=frozenset({"state"}))], at=AT)
    assert branch.file("state") == b"3"
    assert branch.verify() == ()
    assert [record.entry.replaces for record in branch.read()] == [{"state"}, {"state"}]


def test_a_guarded_append_is_refused_where_somebody_wrote(world: World) -> None:
    one, other = opened(world, "a"), opened(world, "b", OTHER)
    (first,) = one.append([entry("one")], at=AT, only_on=None, guarded=True)
    other.trust(first)
    (second,) = other.append([entry("two")], at=AT, only_on=first, guarded=True)
    with pytest.raises(Unavailable) as caught:
        one.append([entry("three")], at=AT, only_on=first, guarded=True)
    assert caught.value.key == "resource_conflict"
    assert [record.revision for record in one.read(first)] == [second]  # it looked again already
    one.append([entry("three")], at=AT, only_on=second, guarded=True)
    assert names_on(world) == ["recorded one", "recorded two", "recorded three"]


def test_a_lost_race_is_appended_on_the_new_tip(world: World) -> None:
    one, other = opened(world, "a"), opened(world, "b", OTHER)
    one.append([entry("zero")], at=AT)
    other.trust(tip_of(world))
    other.append([entry("theirs")], at=AT)
    one.append([entry("ours")], at=AT)
    assert names_on(world) == ["recorded zero", "recorded theirs", "recorded ours"]
    assert one.verify() == ()


def _write(folder: Path, name: str, others: list[str], count: int, *, shared: bool) -> None:
    mirror = Mirror(
        folder / ("audit-shared" if shared else f"audit-{name}"),
        Remote(str(folder / "remote.git")),
        Transport(folder / "transport"),
    )
    anchor = folder / ("anchor-shared" if shared else f"anchor-{name}")
    branch = AuditBranch(mirror, SigningKey.load(folder / f"key-{name}"), anchor, trusted=others)
    for number in range(count):
        branch.append([entry(f"{name}-{number:03}")], at=AT)


@pytest.mark.parametrize("shared", [False, True], ids=["two machines", "one machine"])
def test_two_writers_at_once_lose_nothing_and_make_one_chain(world: World, shared: bool) -> None:  # noqa: FBT001
    count = 30 if shared else 100  # on one machine the lock lets one in at a time
    opened(world, "a").append([entry("zero")], at=AT)
    for name, key in (("a", KEY), ("b", OTHER)):
        key.save(world.folder / f"key-{name}")
        opened(world, name, key).trust(tip_of(world))
    opened(world, "shared").trust(tip_of(world))
    trusted = [KEY.public.line, OTHER.public.line]
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write, args=(world.folder, name, trusted, count), kwargs={"shared": shared})
        for name in "ab"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(240)
    assert [writer.exitcode for writer in writers] == [0, 0]
    names = names_on(world)
    assert len(names) == 2 * count + 1
    for name in "ab":
        assert [n for n in names if f" {name}-" in n] == [f"recorded {name}-{number:03}" for number in range(count)]
    assert git(world.remote, "rev-list", "--min-parents=2", AUDIT) == ""
    assert findings(world.bare, tip_of(world), frozenset(trusted)) == ()
    git(world.remote, "fsck", "--strict", "--no-dangling")


def test_while_the_remote_is_away_records_are_kept_and_pushed_first_and_in_order(world: World) -> None:
    branch = opened(world)
    branch.append([entry("before")], at=AT)
    away = world.folder / "away.git"
    world.remote.rename(away)
    with pytest.raises(Unavailable):
        branch.append([entry("refused")], at=AT)
    branch.journal([entry("one"), entry("two")], at=AT)
    branch = opened(world)  # a restart while it is away
    branch.journal([entry("three")], at=AT)
    branch.journal([entry("two")], at=AT)  # tried again after a doubt
    assert [record.entry.subject for record in branch.pending()] == ["recorded one", "recorded two", "recorded three"]
    with pytest.raises(Unavailable):
        branch.flush()
    away.rename(world.remote)
    branch.append([entry("after")], at=AT)
    assert names_on(world) == [f"recorded {name}" for name in ("before", "one", "two", "three", "after")]
    assert branch.pending() == ()
    assert branch.verify() == ()


def test_what_was_kept_goes_on_top_of_what_others_wrote_meanwhile(world: World) -> None:
    one, other = opened(world, "a"), opened(world, "b", OTHER)
    one.append([entry("zero")], at=AT)
    other.trust(tip_of(world))
    one.journal([entry("kept")], at=AT)
    other.append([entry("theirs")], at=AT)
    one.flush()
    assert names_on(world) == ["recorded zero", "recorded theirs", "recorded kept"]
    assert list(one.read())[-1].at == AT
    one.flush()
    assert len(names_on(world)) == 3


def test_a_journal_may_be_the_beginning(world: World) -> None:
    branch = opened(world)
    branch.journal([entry("one")], at=AT)
    branch.append([entry("two")], at=AT)
    assert names_on(world) == ["recorded one", "recorded two"]


def test_a_lost_journal_is_said_so(world: World) -> None:
    branch = opened(world)
    branch.append([entry("zero")], at=AT)
    branch.journal([entry("kept")], at=AT)
    shutil.rmtree(world.folder / "audit-a")
    branch = opened(world)
    with pytest.raises(Untrusted, match="lost") as caught:
        branch.append([entry("one")], at=AT)
    assert caught.value.key == "audit_diverged"
    branch.trust(tip_of(world))
    branch.append([entry("one")], at=AT)


def test_a_deleted_mirror_loses_nothing(world: World) -> None:
    branch = opened(world)
    branch.append([entry("one")], at=AT)
    shutil.rmtree(world.folder / "audit-a")
    branch = opened(world)
    branch.append([entry("two")], at=AT)
    assert [record.entry.subject for record in branch.read()] == ["recorded one", "recorded two"]


# --- tampering -----------------------------------------------------------------------------------------------------


def _chain(world: World, count: int = 12) -> tuple[AuditBranch, list[Revision]]:
    branch = opened(world)
    return branch, list(branch.append([entry(f"{number:02}") for number in range(count)], at=AT))


def _replayed(world: World, chain: Sequence[Revision], signer: SigningKey | None) -> Revision:
    """The same entries as another chain, made by somebody who can push but has not our key."""
    tip: Revision | None = None
    for revision in chain:
        raw = history.commit(world.bare, revision)
        files = {f"events/{raw.subject.split()[-1]}.json": raw.subject.encode()}
        tip = commit_tree(
            world.bare,
            files=files,
            parents=(tip,) if tip else (),
            message=raw.message,
            author=raw.author,
            signer=signer,
        )
    assert tip
    return tip


def _grafted(world: World, revision: Revision, parent: Revision | None, **changes: bytes) -> Revision:
    """A commit with everything of another, its signature too, but other parents (and some bytes)."""
    raw = world.bare.raw_commit(revision)
    lines = [line for line in raw.split(b"\n") if not line.startswith(b"parent ")]
    if parent:
        lines.insert(1, b"parent " + parent.encode())
    raw = b"\n".join(lines)
    for old, new in changes.items():
        raw = raw.replace(old.encode(), new)
    return Revision(git(world.remote, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw))


def _edit(world: World, chain: list[Revision], at: int) -> Revision:
    tip = _grafted(world, chain[at], chain[at - 1] if at else None, applied=b"Applied")
    for revision in chain[at + 1 :]:
        tip = _grafted(world, revision, tip)
    return tip


def _remove(world: World, chain: list[Revision], at: int) -> Revision:
    tip = chain[at - 1] if at else None
    for revision in chain[at + 1 :]:
        tip = _grafted(world, revision, tip)
    assert tip
    return tip


def _reorder(world: World, chain: list[Revision], at: int) -> Revision:
    order = [*chain[:at], chain[at + 1], chain[at], *chain[at + 2 :]]
    tip = order[at - 1] if at else None
    for revision in order[at:]:
        tip = _grafted(world, revision, tip)
    assert tip
    return tip


def _rewind(world: World, chain: list[Revision], at: int) -> Revision:
    return chain[at]


def _fork(world: World, chain: list[Revision], at: int) -> Revision:
    return commit_tree(
        world.bare, files={"x": b"x"}, parents=(chain[at],), message="theirs", author=ANNA, signer=SigningKey.generate()
    )


def _unsigned(world: World, chain: list[Revision], at: int) -> Revision:
    return commit_tree(world.bare, files={"x": str(at).encode()}, parents=(chain[-1],), message="theirs", author=ANNA)


def _replaced(world: World, chain: list[Revision], at: int) -> Revision:
    return _replayed(world, chain, None if at % 2 else SigningKey.generate())


def _merged(world: World, chain: list[Revision], at: int) -> Revision:
    return commit_tree(
        world.bare, files={"x": b"x"}, parents=(chain[-1], chain[at]), message="merge", author=ANNA, signer=KEY
    )


@pytest.mark.parametrize("at", [0, 1, 5, 10])
@pytest.mark.parametrize("tamper", [_edit, _remove, _reorder, _rewind, _fork, _unsigned, _replaced, _merged])
def test_tampering_is_detected_nothing_is_appended_and_the_branch_comes_back(
    world: World, tamper: object, at: int
) -> None:
    branch, chain = _chain(world)
    assert callable(tamper)
    bad = tamper(world, chain, at)
    set_remote(world, bad)
    with pytest.raises(Untrusted) as caught:
        branch.append([entry("more")], at=AT)
    assert caught.value.key == "audit_diverged"
    with pytest.raises(Untrusted):
        branch.refresh()
    with pytest.raises(Untrusted):
        opened(world).tip()
    assert branch.verify() != ()
    assert tip_of(world) == bad
    assert branch.restore() == chain[-1] == tip_of(world)
    branch.append([entry("more")], at=AT)
    assert len(names_on(world)) == len(chain) + 1
    assert branch.verify() == ()


@pytest.mark.parametrize("at", [0, 3, 10])
@pytest.mark.parametrize("tamper", [_edit, _remove, _reorder, _fork, _unsigned, _merged])
def test_an_auditor_with_a_clone_and_the_keys_sees_it_too(world: World, tamper: object, at: int) -> None:
    _, chain = _chain(world)
    assert callable(tamper)
    keys = frozenset({KEY.public.line})
    assert findings(world.bare, chain[-1], keys) == ()
    assert findings(world.bare, tamper(world, chain, at), keys)
    assert findings(world.bare, chain[-1], frozenset())
    assert findings(world.bare, chain[at], keys, chain[-1])[-1].revision == chain[-1]


def test_a_vanished_branch_is_told_and_restored(world: World) -> None:
    branch, chain = _chain(world)
    git(world.remote, "update-ref", "-d", AUDIT)
    with pytest.raises(Untrusted, match="gone"):
        branch.append([entry("more")], at=AT)
    with pytest.raises(Untrusted, match="gone"):
        branch.refresh()
    assert branch.verify()
    branch.restore()
    assert tip_of(world) == chain[-1]


def test_restoring_keeps_what_others_of_us_added_before_the_foreign_commit(world: World) -> None:
    branch, chain = _chain(world, 3)
    other = opened(world, "b", OTHER)
    other.trust(chain[-1])
    (theirs,) = other.append([entry("theirs")], at=AT)
    set_remote(world, _fork(world, [theirs], 0))
    assert branch.restore() == theirs == tip_of(world)


def test_a_key_that_others_do_not_trust_is_foreign(world: World) -> None:
    opened(world, "a").append([entry("zero")], at=AT)
    other = opened(world, "b", OTHER)
    other.trust(tip_of(world))
    other.append([entry("theirs")], at=AT)
    strict = AuditBranch(
        Mirror(world.folder / "audit-a", world.address, world.transport), KEY, world.folder / "anchor-a"
    )
    with pytest.raises(Untrusted, match="not by a key of ours"):
        strict.refresh()


@pytest.mark.parametrize(
    ("files", "problem"), [({"events/00.json": None}, "removes"), ({"events/00.json": b"x"}, "changes")]
)
def test_even_we_cannot_take_back_or_change_what_was_written(
    world: World, files: dict[str, bytes | None], problem: str
) -> None:
    branch, chain = _chain(world, 2)
    set_remote(world, commit_tree(world.bare, files=files, parents=(chain[-1],), message="m", author=ANNA, signer=KEY))
    with pytest.raises(Untrusted, match=problem):
        branch.refresh()


def test_without_an_anchor_an_existing_branch_is_not_believed(world: World) -> None:
    _, chain = _chain(world, 3)
    newcomer = opened(world, "new")
    with pytest.raises(Untrusted, match="none of it is known"):
        newcomer.refresh()
    with pytest.raises(Untrusted):
        newcomer.append([entry("more")], at=AT)
    with pytest.raises(Untrusted):
        newcomer.restore()
    with pytest.raises(Untrusted):
        newcomer.trust(world.clone.head())
    newcomer.trust(chain[1])
    assert newcomer.tip() == chain[-1]


def test_an_anchor_that_cannot_be_read_stops_everything(world: World) -> None:
    branch, _ = _chain(world, 2)
    for garbage in (
        "",
        "{",
        "[]",
        '{"tip": "x", "journal": null, "starts": []}',
        '{"tip": null}',
        '{"tip": 1, "journal": 2, "starts": 3}',
    ):
        (world.folder / "anchor-a").write_text(garbage)
        with pytest.raises(Untrusted):
            branch.tip()


# --- crashes -------------------------------------------------------------------------------------------------------

_STEP = """
import sys
from pathlib import Path
from tests.git.test_audit_branch import AT, entry
from reconciler.git.audit_branch import AuditBranch
from reconciler.git.keys import SigningKey
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.git.transport import Transport
folder, name = Path(sys.argv[1]), sys.argv[2]
mirror = Mirror(folder / "audit-k", Remote(str(folder / "remote.git")), Transport(folder / "transport"))
AuditBranch(mirror, SigningKey.load(folder / "key"), folder / "anchor-k").append([entry(name)], at=AT)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_appends_killed_anywhere_are_there_exactly_once_after_the_next_try(world: World) -> None:
    KEY.save(world.folder / "key")
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    chance = random.Random(7)
    names = [f"{number:02}" for number in range(14)]
    killed = 0
    for name in names:
        call = chance.choice(["rename", "link", "fsync", "unlink", "mkdir"])
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={chance.randrange(1, 12)}"]
        step = [sys.executable, "-c", _STEP, str(world.folder), name]
        done = subprocess.run(
            ["strace", "-f", "-o", "/dev/null", *inject, *step], env=environment, capture_output=True, check=False
        )
        killed += done.returncode != 0
        branch = opened(world, "k")
        branch.append([entry(name)], at=AT)
    assert killed > 3
    assert names_on(world) == [f"recorded {name}" for name in names]
    assert opened(world, "k").verify() == ()
    git(world.remote, "fsck", "--strict", "--no-dangling")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("call", ["openat", "write", "fsync", "rename"])
def test_a_killed_write_of_the_anchor_leaves_the_old_or_the_new_one(tmp_path: Path, call: str) -> None:
    path, old, new = tmp_path / "anchor", anchors.Anchor(Revision("1" * 40)), anchors.Anchor(Revision("2" * 40))
    script = (
        "import sys; from pathlib import Path; from reconciler.git import anchor\n"
        "anchor.write(Path(sys.argv[1]), anchor.Anchor('2' * 40))"
    )
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    for nth in (1, 2):
        anchors.write(path, old)
        inject = ["-P", str(tmp_path), "-P", str(path), "-e", f"inject={call}:signal=KILL:when={nth}"]
        step = [sys.executable, "-c", script, str(path)]
        subprocess.run(
            ["strace", "-f", "-o", "/dev/null", *inject, *step], env=environment, capture_output=True, check=False
        )
        assert anchors.read(path) in (old, new)


def test_a_disk_that_says_no_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        anchors.write(tmp_path / "absent" / "anchor", anchors.Anchor())


# --- messages ------------------------------------------------------------------------------------------------------


def test_text_of_others_writes_no_trailer_and_no_paragraph() -> None:
    evil = "x\n\n[skip ci]\n\nApproval-Ticket: forged\u2028Actor: root\r\nY: z"
    made = Entry(evil, {"Actor": evil}, {}, f"body\n\n{evil}")
    back = entry_of(message_of(made), {})
    assert set(back.trailers) == {"Actor"}
    assert "\n" not in back.subject
    parsed = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=message_of(made).encode(), capture_output=True, check=True
    )
    assert parsed.stdout.decode().count("\n") == 1


_LINES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=30)


@given(
    _LINES,
    st.dictionaries(st.from_regex(r"[A-Z][a-z]{1,8}(-[A-Z][a-z]{1,5})?", fullmatch=True), _LINES, max_size=5),
    st.sets(_LINES),
)
def test_a_plain_entry_survives_its_message(subject: str, trailers: dict[str, str], replaces: set[str]) -> None:
    trailers.pop("Replaces", None)
    made = Entry(subject, trailers, {}, "", frozenset(replaces))
    assert entry_of(message_of(made), {}) == made


def test_a_trailer_with_a_name_that_git_would_not_read_is_rejected() -> None:
    for name in ("", "a b", "ä", "x:y", "Replaces", "a\nb"):
        with pytest.raises(Rejected):
            message_of(Entry("s", {name: "v"}, {}))


def test_an_odd_path_is_refused(world: World) -> None:
    with pytest.raises(Refused):
        opened(world).append([Entry("s", {}, {"../x": b""})], at=AT)


def test_races_without_end_are_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_branch, "ROUNDS", 3)
    branch, _ = _chain(world, 1)
    lock = BareRepository(world.remote, world.transport).path / f"{AUDIT}.lock"
    lock.touch()
    with pytest.raises(Unavailable, match="lost 3 races"):
        branch.append([entry("more")], at=AT)
    lock.unlink()
    branch.append([entry("more")], at=AT)
