"""What GitLab does with what is written to it: quick actions, and statuses that are jobs."""

from typing import Any

import pytest

from reconciler.errors import Rejected, Unavailable
from reconciler.forges.keeping import LONGEST
from reconciler.names import Revision
from reconciler.state.forge import CommitStatus, StatusState
from tests.contracts.forge_gitlab import GitLabUnderTest
from tests.contracts.forge_world import ANA, BEN, CLEO, Says, opened
from tests.forges.gitlab.state import MAINTAINER, Pipeline
from tests.story.clock import MovableClock

CONTEXT = "reconciler/preview"


def said(state: StatusState, words: str = "") -> CommitStatus:
    return CommitStatus(CONTEXT, state, words)


def states(world: GitLabUnderTest) -> list[str]:
    return [job.state for job in world.project.jobs]


# --- quick actions (T27)


@pytest.mark.parametrize(
    "body", ["/merge", "a preview\n/approve\n", "```\n  \n/close\n```", "<details>\n/merge\n</details>"]
)
def test_t27_no_line_that_we_write_is_carried_out(world: GitLabUnderTest, body: str) -> None:
    number = opened(world)
    identity = world.writer.write_comment(number, "marker", body)
    assert world.writer.write_comment(number, "marker", body) == identity
    world.writer.write_comment(number, "marker", f"{body}\n/merge")
    one = world.project.merge_requests[number - 1]
    assert (one.state, one.approvals) == ("opened", {})
    assert "marker" in one.notes[0].body


def test_t27_the_text_of_a_proposal_is_not_carried_out(world: GitLabUnderTest) -> None:
    head = world.local_commit({"a.yaml": "a: 3\n"})
    number = world.writer.propose("reconciler/raise-a", head, "Raise a", "asked for by ana\n/merge\n/approve")
    one = world.project.merge_requests[number - 1]
    assert (one.state, one.approvals) == ("opened", {})


def test_an_internal_note_and_a_remark_on_the_diff_ask_nothing(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.ask("POST", f"/merge_requests/{number}/notes", {"body": "/reconciler retry", "internal": True}, as_=BEN)
    world.review(BEN, number, Says.COMMENT, "/reconciler retry")
    assert world.forge.comments(number) == ()


def test_t4_a_comment_of_another_bot_says_so(world: GitLabUnderTest) -> None:
    number = opened(world)
    world.server.state.add_user("helper", bot=True)
    world.comment("helper", number, "/reconciler retry")
    assert [one.author_is_bot for one in world.forge.comments(number)] == [True]


# --- statuses


def test_new_words_of_what_is_pending_are_read_and_never_a_success_on_the_way(world: GitLabUnderTest) -> None:
    head = world.push(ANA, "feature", {"a.yaml": "a: 2\n"})
    for words in ("looking", "2 changes", "3 changes", "waits for ben"):
        world.writer.set_status(head, said(StatusState.PENDING, words))
        assert world.writer.statuses(head) == (said(StatusState.PENDING, words),)
    assert states(world) == ["canceled", "running"]


def test_an_error_is_a_failure_on_the_page_and_says_so(world: GitLabUnderTest) -> None:
    world.writer.set_status(world.tip("main"), said(StatusState.ERROR, "a signature does not check"))
    (job,) = world.project.jobs
    assert (job.state, job.description) == ("failed", "error: a signature does not check")


@pytest.mark.parametrize("state", list(StatusState))
def test_f15_somebody_who_ends_our_job_does_not_keep_us_from_saying_what_is(
    world: GitLabUnderTest, state: StatusState
) -> None:
    main = world.tip("main")
    writer = world.writer
    writer.set_status(main, said(StatusState.PENDING, "looking"))
    world.project.jobs[0].state = "canceled"
    writer.set_status(main, said(state, "then"))
    assert writer.statuses(main) == (said(state, "then"),)


def test_t5_a_success_that_somebody_else_set_over_ours_is_seen_after_a_while(world: GitLabUnderTest) -> None:
    main, pending = world.tip("main"), said(StatusState.PENDING, "waits for ben")
    clock = MovableClock()
    world.door._believed.clock = clock
    world.writer.set_status(main, pending)
    world.ask("POST", f"/statuses/{main}", {"name": CONTEXT, "state": "success", "description": "trust me"}, as_=BEN)
    clock.advance(LONGEST)
    world.writer.set_status(main, pending)
    assert world.writer.statuses(main) == (pending,)


@pytest.mark.parametrize("known", [False, True], ids=["within what we believe", "read before"])
@pytest.mark.parametrize("state", list(StatusState))
def test_t5_what_we_say_is_not_left_under_a_newer_one_of_somebody_else(
    world: GitLabUnderTest, state: StatusState, *, known: bool
) -> None:
    """GitLab changes our unfinished job where it stands, under the newer one."""
    main, writer = world.tip("main"), world.writer
    writer.set_status(main, said(StatusState.PENDING, "applying"))
    world.ask("POST", f"/statuses/{main}", {"name": CONTEXT, "state": "pending", "description": "trust me"}, as_=BEN)
    if known:
        writer.statuses(main)
    writer.set_status(main, said(state, "then"))
    if known or state is not StatusState.PENDING:
        assert writer.statuses(main) == (said(state, "then"),)


def test_a_final_word_of_ours_over_which_nobody_spoke_is_sent_once(world: GitLabUnderTest) -> None:
    main = world.tip("main")
    world.writer.set_status(main, said(StatusState.PENDING, "applying"))
    asked = world.writes()
    for _ in range(3):
        world.writer.set_status(main, said(StatusState.SUCCESS, "applied"))
    assert world.writes() == asked + 1


def test_a_state_that_we_did_not_know_of_is_read_again_and_gone_on_from(world: GitLabUnderTest) -> None:
    main = world.tip("main")
    writer = world.writer
    writer.set_status(main, said(StatusState.PENDING, "looking"))
    world.project.jobs[0].state = "running"  # another reconciler of the same account said so
    writer.set_status(main, said(StatusState.PENDING, "2 changes"))
    assert writer.statuses(main) == (said(StatusState.PENDING, "2 changes"),)


def test_the_longest_words_fit(world: GitLabUnderTest) -> None:
    world.writer.set_status(world.tip("main"), said(StatusState.ERROR, "x" * 140))
    assert world.writer.statuses(world.tip("main")) == (said(StatusState.ERROR, "x" * 140),)


@pytest.mark.parametrize("turned", [False, True])
def test_the_newest_of_a_name_counts_in_whatever_order_and_pipeline_they_come(
    world: GitLabUnderTest, *, turned: bool
) -> None:
    main = world.tip("main")
    world.project.pipelines.append(Pipeline(1, main, "main"))
    world.writer.set_status(main, said(StatusState.SUCCESS, "of the older pipeline"))
    world.project.pipelines.append(Pipeline(2, main, "main"))
    world.writer.set_status(main, said(StatusState.FAILURE, "of the newer one"))
    world.server.lies.append(lambda path, said: said[::-1] if turned and path.endswith("/statuses") else said)
    assert world.writer.statuses(main) == (said(StatusState.FAILURE, "of the newer one"),)


def test_f13_statuses_of_another_commit_are_no_answer(world: GitLabUnderTest) -> None:
    main = world.tip("main")
    world.writer.set_status(main, said(StatusState.SUCCESS))
    world.server.lies.append(lambda _, said: [{**one, "sha": "ab" * 20} for one in said])
    with pytest.raises(Rejected, match="another commit"):
        world.writer.statuses(main)


def test_another_write_on_the_same_commit_is_waited_out(
    world: GitLabUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = world.server.answer

    def locked(method: str, target: str, token: str, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        if method == "POST":
            return 409, {"message": "Another update to this commit status is in progress"}, {}
        return honest(method, target, token, body)

    monkeypatch.setattr(world.server, "answer", locked)
    with pytest.raises(Unavailable, match="in progress"):
        world.writer.set_status(world.tip("main"), said(StatusState.SUCCESS))


def test_a_head_without_a_pipeline_gets_one_on_its_own_branch(world: GitLabUnderTest) -> None:
    head = world.push(ANA, "feature", {"a.yaml": "a: 2\n"})
    world.push(BEN, "another", {"b.yaml": "b: 1\n"}, on=head)  # holds it too, and comes first by name
    world.open(ANA, "feature")
    assert [one.head for one in world.forge.open_pull_requests()] == [head]
    world.writer.set_status(head, said(StatusState.SUCCESS))
    assert [pipeline.ref for pipeline in world.project.pipelines] == ["feature"]


def test_a_status_goes_to_the_newest_pipeline_that_is_there(world: GitLabUnderTest) -> None:
    number = opened(world)
    head = world.forge.pull_request(number).head
    world.project.pipelines.append(Pipeline(1, head, "feature"))
    world.project.pipelines.append(Pipeline(2, head, f"refs/merge-requests/{number}/head"))
    world.writer.set_status(head, said(StatusState.SUCCESS))
    assert [job.pipeline for job in world.project.jobs] == [2]


def test_a_forks_head_takes_no_status_and_stops_nothing(world: GitLabUnderTest) -> None:
    number = world.open_from_fork(CLEO, {"fork.yaml": "fork: 1\n"})
    head = world.forge.pull_request(number).head
    writer = world.writer
    writer.set_status(head, said(StatusState.FAILURE, "forks are denied"))
    assert writer.statuses(head) == ()
    asked = world.writes()
    writer.set_status(head, said(StatusState.FAILURE, "still"))
    assert world.writes() == asked


def test_a_commit_that_is_nowhere_takes_no_status_and_says_so(world: GitLabUnderTest) -> None:
    with pytest.raises(Exception, match="404"):
        world.writer.set_status(Revision("12" * 20), said(StatusState.SUCCESS))


def test_a_role_above_developer_may_write_and_one_below_may_not(world: GitLabUnderTest) -> None:
    number = opened(world)
    ana = world.server.state.user(ANA).id
    for level, may in ((MAINTAINER, True), (20, False)):
        world.project.members[ana] = level
        world.door._known.clear()
        assert world.forge.pull_request(number).author_can_write is may
    del world.project.members[ana]
    world.door._known.clear()
    assert world.forge.pull_request(number).author_can_write is False
