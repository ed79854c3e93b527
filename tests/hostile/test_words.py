"""Words of others in the comment about bad specs: read in full, acting on nothing, never more than a forge takes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from reconciler.app.problems import MOST, Problems
from reconciler.names import Revision
from reconciler.report.preview import FORGE_LIMIT
from reconciler.specs.desired import Desired
from reconciler.specs.reader import Reader
from reconciler.state.forge import CommitStatus, PullRequest, PullRequestState
from tests.report.markdown import code_of, dangers, skeleton
from tests.report.test_neutral import NAUGHTY
from tests.specs.repository import Repository

ATTACKS = (
    "@everyone", "#1", "!1", "GH-1", "closes #2", "[x](javascript:alert(1))", "![x](http://x.example/p.png)",
    "https://x.example", "www.x.example", "<img src=x onerror=alert(1)>", "</details></details>",
    "<!-- reconciler:preview 1 5f1c -->", "<!-- reconciler:problems dep-appr-1 -->", "```",
    "````\n# approved", "|a|b|\n|-|-|", "\n/approve", "\r\n- [x] ok", "\u00a0" * 50,
    "\x1b[31mred\x1b]8;;http://x.example\x07", "prod\u202eesrever", "a\u200bb", "&commat;all", "&#64;all",
    "`" * 90, "$(touch x)", "{{7*7}}", "\U000e0041", "~~x~~ **y** _z_", "# h", "> q", "    code", "---", "===",
)  # fmt: skip
PULL = PullRequest(
    1, "t", "b", "ann", "main", "feature", Revision("a" * 40), PullRequestState.OPEN, datetime(2026, 1, 1, tzinfo=UTC)
)


@dataclass
class Pages:
    """A forge that keeps what is written."""

    bodies: list[str] = field(default_factory=list)

    def write_comment(self, number: int, marker: str, body: str) -> str:
        assert body.startswith(marker + "\n")
        self.bodies.append(body)
        return str(number)

    def set_status(self, revision: Revision, status: CommitStatus) -> None:
        raise AssertionError("it writes comments only")

    def statuses(self, revision: Revision) -> tuple[CommitStatus, ...]:
        raise AssertionError("it writes comments only")

    def propose(self, branch: str, head: Revision, title: str, body: str) -> int:
        raise AssertionError("it writes comments only")


def quoted(text: str) -> str:
    """A double-quoted scalar of YAML that holds any text."""
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in text) + '"'


SPOTS = {
    "a field's name": "apiVersion: opspilot.spec/v1\nkind: Host\nmetadata: {name: a}\nspec:\n  X: 1\n",
    "a kind": "apiVersion: opspilot.spec/v1\nkind: X\n",
    "a version": "apiVersion: opspilot.spec/v1\nkind: Host\nmetadata: {name: a}\nX: 1\n",
    "a name": "apiVersion: opspilot.spec/v1\nkind: Host\nmetadata: {name: X}\nspec: {}\n",
    "a label": "apiVersion: opspilot.spec/v1\nkind: Host\nmetadata: {name: a, labels: {X: X}}\nspec: {}\n",
    "a reference": "apiVersion: opspilot.spec/v1\nkind: Role\nmetadata: {name: a}\nspec: {permissions: [X]}\n",
    "a key twice": "apiVersion: opspilot.spec/v1\nkind: Host\nX: 1\nX: 2\n",
    "a value": "apiVersion: opspilot.spec/v1\nkind: Host\nmetadata: {name: a}\nspec: {address: X, port: X, user: X}\n",
}


def page(desired: Desired) -> str:
    pages = Pages()
    Problems(pages).tell(PULL, desired)
    (body,) = pages.bodies
    return body


@pytest.mark.parametrize("spot", SPOTS)
def test_t27_no_word_in_a_bad_spec_makes_anything_in_the_comment_about_it(spot: str) -> None:
    with Reader(per_file=30.0) as reader:
        plain = skeleton(page(Repository.of({"a.yaml": "# opspilot.spec/\n["}).resolve(reader)))
        texts = [*ATTACKS, *NAUGHTY[:: len(SPOTS)]]
        for text in texts:
            content = SPOTS[spot].replace("X", quoted(text).replace("\\U0000d800", ""))
            desired = Repository.of({"a.yaml": content}).resolve(reader)
            if not desired.problems:
                continue
            body = page(desired)
            assert [kind[:2] for kind in skeleton(body)] == [kind[:2] for kind in plain], text
            assert not dangers(body), text
            assert body.count("<!-- reconciler:") == 1 + sum(code.count("<!-- reconciler:") for code in code_of(body))
            assert body.replace("\n", "").isprintable(), text


def test_t27_a_files_path_makes_nothing_either() -> None:
    with Reader(per_file=30.0) as reader:
        for text in ATTACKS:
            body = page(Repository.of({f"{text}/a.yaml": "# opspilot.spec/\n["}).resolve(reader))
            assert not dangers(body), text
            assert body.replace("\n", "").isprintable(), text


@pytest.mark.parametrize("letter", ["a", "\u4e2d", "\u00e9", "\U0010fffd"])
def test_t27_the_longest_paths_of_many_bad_files_still_fit_what_a_forge_takes(letter: str) -> None:
    folder = "/".join([letter * 60] * 60)
    with Reader(per_file=30.0) as reader:
        files = {f"{folder}/{number}.yaml": "# opspilot.spec/\n[" for number in range(MOST + 10)}
        body = page(Repository.of(files).resolve(reader))
    assert len(body) <= FORGE_LIMIT
    assert "10 more" in body
