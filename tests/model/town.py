"""People and their acts: branches, pull requests, reviews, merges, signed decisions, hands on the cluster.

Knows what each person could see when they acted, as text: the preview comment on the forge, or the preview on the
audit branch that `reconciler approve REF` prints. The rule it keeps: what somebody approved is what they read, never
what the product computed; the oracle judges by that.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reconciler.app.decisions import submit
from reconciler.approval.decision import CommitSubject, Decision, PullSubject, Verb
from reconciler.git import write
from reconciler.git.commits import Person
from reconciler.git.merge import MergeConflict
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.names import Revision
from reconciler.state.forge import Comment, PullRequestState, Review, Verdict
from tests.model import texts
from tests.model.chronicle import text_of
from tests.model.house import REPOSITORY, Place, key_of
from tests.model.lifeline import Lifeline
from tests.model.plain_git import PlainGit

Step = tuple[str, str, str]  # release, the tag that runs, the tag that will
_OBJECT = re.compile(r"^@@ \w[\w ]* Deployment\.apps shop/(\S+) @@$")
_IMAGE = re.compile(r"^([-+]) \S*image: \S+:(\S+)$")
METHODS = ("merge", "squash", "rebase")


def steps_of(comment: str) -> frozenset[Step]:
    """The changes of images that a preview's text shows."""
    found: dict[str, dict[str, str]] = {}
    about = ""
    for line in comment.splitlines():
        if line.startswith("@@"):
            matched = _OBJECT.match(line)
            about = matched[1] if matched else ""
        elif about and (image := _IMAGE.match(line)):
            found.setdefault(about, {})[image[1]] = image[2]
    return frozenset((name, sides.get("-", ""), sides.get("+", "")) for name, sides in found.items())


@dataclass(frozen=True, slots=True)
class Approval:
    """What somebody said about something, having read `seen`. `about`: a pull request's number, or a held commit."""

    person: str
    about: int | Revision
    head: Revision
    base: str
    at: datetime
    seen: frozenset[Step]
    digest: str
    yes: bool
    review: str = ""
    retracted: bool = False


@dataclass(slots=True)
class Town:
    """Everybody, and what they did."""

    place: Place
    said: list[Approval] = field(default_factory=list)
    hands: list[tuple[str, str]] = field(default_factory=list)  # (release, tag) set by hand on the cluster
    makers: dict[Revision, frozenset[str]] = field(default_factory=dict)  # of each commit that people made
    unsigned: set[Revision] = field(default_factory=set)
    merged_from: dict[int, tuple[Revision, Revision]] = field(default_factory=dict)  # number -> tip before, head
    letters: Mirror = field(init=False)
    counter: int = 0

    def __post_init__(self) -> None:
        place = self.place
        transport = PlainGit(place.folder / "home", place.origin.path / "objects", Lifeline())
        self.letters = Mirror(place.folder / "letters", Remote(str(place.origin.path)), transport)

    @property
    def tip(self) -> Revision:
        """The tracked branch's."""
        found = self.place.origin.ref("refs/heads/main")
        assert found is not None
        return found

    def commit(
        self, author: str, files: Mapping[str, str], *, parent: Revision | None, branch: str, signed: bool = True
    ) -> Revision:
        """A commit, and the branch moved to it, whatever it named before."""
        made = write.commit_tree(
            self.place.origin,
            files={path: text.encode() for path, text in files.items()},
            parents=[parent] if parent is not None else [],
            message=f"change {self._next()}",
            author=Person(author, f"{author}@example.invalid", self.place.time.at),
            signer=key_of(author) if signed else None,
        )
        self.makers[made] = frozenset({author})
        if not signed:
            self.unsigned.add(made)
        self.place.origin.set_ref(f"refs/heads/{branch}", made)
        self.place.forge.pushed()
        return made

    def _next(self) -> int:
        self.counter += 1
        return self.counter

    def propose(self, author: str, files: Mapping[str, str], *, opener: str = "", signed: bool = True) -> int:
        """A branch of the tip with one commit, and its pull request."""
        branch = f"change-{self._next()}"
        self.commit(author, files, parent=self.tip, branch=branch, signed=signed)
        return self.place.forge.open(opener or author, branch, "a change")

    def review(self, number: int, person: str, verdict: Verdict, *, signed: bool, event: str) -> None:
        """Say yes or no to what stands on the pull request now; `event` is the preview's, as its page says."""
        forge = self.place.forge
        pull = forge.pulls[number]
        shown = [one for one in forge.previews(number) if "**Digest**" in one.body]
        text = shown[-1].body if shown else ""
        named = re.search(r"digest `(\w{64})`", text)
        digest = named[1] if named else ""
        if verdict is Verdict.APPROVE and not digest:
            return  # whoever finds no preview, such as where somebody wrote over it, says nothing yet
        decision, signer = "", ""
        if signed and digest and event:
            made = Decision(
                repository=REPOSITORY,
                subject=PullSubject(number, pull.base, pull.head),
                verb=Verb.APPROVE if verdict is Verdict.APPROVE else Verb.REJECT,
                digest=digest,
                event=event,
                reason="",
                at=self.place.time.at,
            )
            decision, signer = made.signed_bytes.decode(), key_of(person).public.line
        name = forge.name("review")
        body = f"read {digest[:12]}"
        forge.given[number].append(
            Review(name, person, verdict, pull.head, pull.base, body, self.place.time.at, signer, decision)
        )
        seen = steps_of(text)
        yes = verdict is Verdict.APPROVE
        self.said.append(
            Approval(person, number, pull.head, pull.base, self.place.time.at, seen, digest, yes, review=name)
        )

    def retract(self, number: int, index: int) -> None:
        """Somebody takes a review back, or a maintainer dismisses it."""
        given = self.place.forge.given[number]
        if not given:
            return
        old = given[index % len(given)]
        given[index % len(given)] = replace(old, verdict=Verdict.DISMISSED)
        self.said = [replace(one, retracted=True) if one.review == old.id else one for one in self.said]

    def decide(self, person: str, ticket: str, commit: Revision, path: str, *, digest: str, event: str) -> None:
        """`reconciler approve REF` on what is held: signed, having read the preview that the audit branch holds."""
        self.letters.fetch()
        text = self._artifact(path)
        at = self.place.time.at
        made = Decision(
            repository=REPOSITORY,
            subject=CommitSubject(commit),
            verb=Verb.APPROVE,
            digest=digest,
            event=event,
            reason="it is wanted",
            at=at,
        )
        name = Person(person, f"{person}@example.invalid", at)
        submit(self.letters, made, ticket=ticket, key=key_of(person), person=name)
        seen = _planned(json.loads(text))
        self.said.append(Approval(person, commit, commit, "main", at, seen, digest, yes=True))

    def _artifact(self, path: str) -> str:
        tip = self.place.origin.ref("refs/heads/reconciler/audit")
        assert tip is not None
        return text_of(self.place.origin.commit(tip), path)

    def merge(self, number: int, by: str, method: str) -> Revision | None:
        """Merge, whatever the statuses say; None where it conflicts or brings nothing."""
        forge, origin = self.place.forge, self.place.origin
        pull = forge.pulls[number]
        before = self.tip
        person = Person(by, f"{by}@example.invalid", self.place.time.at)
        match method:
            case "merge":
                made = write.merge(origin, before, pull.head, message=f"merge #{number}", author=person)
            case "squash":
                made = write.squash(origin, before, pull.head, message=f"squash #{number}", author=person)
            case _:
                made = write.rebase(origin, before, pull.head, committer=person)
        if isinstance(made, MergeConflict) or made == before:
            return None
        origin.set_ref(f"refs/heads/{pull.base}", made)
        at = self.place.time.at
        forge.pulls[number] = replace(
            pull, state=PullRequestState.MERGED, merge_commit=made, merged_by=by, merged_at=at
        )
        self.merged_from[number] = (before, pull.head)
        walk, stop = made, before
        while walk != stop:  # every commit of a rebase belongs to it
            forge.landed[walk] = number
            self.makers.setdefault(walk, frozenset())
            walk = Revision(str(origin.commit(walk).parent_ids[0]))
        forge.pushed()
        return made

    def close(self, number: int) -> None:
        """Close without a merge."""
        forge = self.place.forge
        forge.pulls[number] = replace(forge.pulls[number], state=PullRequestState.CLOSED, closed_at=self.place.time.at)

    def retarget(self, number: int) -> None:
        """Against another branch, or back."""
        forge = self.place.forge
        if self.place.origin.ref("refs/heads/other") is None:
            self.place.origin.set_ref("refs/heads/other", self.tip)
        pull = forge.pulls[number]
        forge.pulls[number] = replace(pull, base="other" if pull.base == "main" else "main")

    def files_before_tip(self) -> dict[str, str]:
        """The files that the last step changed, as they were before it."""
        origin = self.place.origin
        before = origin.commit(Revision(str(origin.commit(self.tip).parent_ids[0])))
        paths = [*map(texts.release_path, texts.RELEASES), "policy/bindings.yaml"]
        after = origin.commit(self.tip)
        old = {path: text_of(before, path) for path in paths}
        return {path: text for path, text in old.items() if text != text_of(after, path)}

    def sign_pull(self, number: int, head: Revision, *, digest: str, event: str) -> None:
        """Root signs the policy that a pull request proposes."""
        at = self.place.time.at
        subject = PullSubject(number, "main", head)
        made = Decision(
            repository=REPOSITORY,
            subject=subject,
            verb=Verb.APPROVE,
            digest=digest,
            event=event,
            reason="policy",
            at=at,
        )
        self.letters.fetch()
        name = Person("root", "root@example.invalid", at)
        submit(self.letters, made, ticket=f"dep-appr-{number}", key=key_of("root"), person=name)
        self.said.append(Approval("root", number, head, "main", at, frozenset(), digest, yes=True))

    def comment(self, number: int, person: str, body: str) -> None:
        """Say something."""
        forge = self.place.forge
        forge.talk[number].append(Comment(forge.name("comment"), person, body, forge.time.at))

    def edit_comments(self, number: int, body: str) -> None:
        """Everything that was said there says something else now, what the reconciler wrote too."""
        talk = self.place.forge.talk
        talk[number] = [replace(one, body=body, edited=True) for one in talk[number]]

    def edit_target(self, release: str, tag: str) -> None:
        """By hand, past everybody."""
        cluster = self.place.clusters[texts.RELEASES[release]]
        container = {"name": "main", "image": f"registry.example.invalid/{release}:{tag}"}
        patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
        cluster.edit(texts.deployment_path(release), patch)
        self.hands.append((release, tag))

    def seize_target(self, release: str, tag: str) -> None:
        """The same by somebody who applies under the reconciler's own name, so that nothing conflicts with it."""
        cluster = self.place.clusters[texts.RELEASES[release]]
        cluster.seize(texts.deployment_path(release), f"registry.example.invalid/{release}:{tag}")
        self.hands.append((release, tag))


def _planned(artifact: Mapping[str, Any]) -> frozenset[Step]:
    return frozenset(
        (change["subject"].rpartition("/")[2], _short(one["before"]), _short(one["after"]))
        for plan in artifact["plans"]
        for change in plan["changes"]
        if change["subject"].startswith("Deployment")
        for one in change["fields"]
        if one["path"].endswith("image")
    )


def _short(image: object) -> str:
    return str(image).rpartition(":")[2] if image else ""
