"""Lists of Gitea, whose pages are asked for by number: an end is found, or the answer is none (F13). And what of its
answers is believed for how long."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reconciler.errors import Rejected
from reconciler.forges.asking import Answer, Request
from reconciler.forges.gitea import forge
from reconciler.forges.gitea.forge import GiteaForge
from reconciler.forges.gitea.requests import Repository
from reconciler.forges.sending import Sender
from reconciler.git.mirror import Mirror
from reconciler.names import Revision
from tests.story.clock import MovableClock


def asked(content: Any, *, total: int | None = None, size: int = 0) -> tuple[int, str]:
    """How many requests it took, and the words, where `content(page)` is each page."""
    pages: list[int] = []

    def send(request: Request) -> Answer:
        pages.append(int(dict(request.query)["page"]))
        return Answer(request.what, content(pages[-1]), total=total, size=size)

    sender = cast(Sender, SimpleNamespace(send=send, clock=MovableClock()))
    there = GiteaForge(sender, Repository("o", "r"), cast(Mirror, None), tracked="main", key="")
    with pytest.raises(Rejected) as refused:
        there.statuses(Revision("ab" * 20))
    return len(pages), refused.value.message


def test_a_clock_that_was_set_back_ends_what_is_believed_of_rights() -> None:
    said, clock = ["write"], MovableClock()
    sender = cast(
        Sender,
        SimpleNamespace(send=lambda request: Answer(request.what, {"permission": said[-1]}), clock=clock),
    )
    there = GiteaForge(sender, Repository("o", "r"), cast(Mirror, None), tracked="main", key="")
    assert there._may_write("ana")
    said.append("read")
    assert there._may_write("ana")
    clock.advance(-timedelta(days=1))
    assert not there._may_write("ana")


def entry(number: int) -> dict[str, Any]:
    return {"id": number, "context": f"c{number}", "status": "success", "description": ""}


@pytest.mark.parametrize("total", [None, 9])
def test_f13_a_server_that_ignores_the_page_is_asked_twice_and_not_a_thousand_times(total: int | None) -> None:
    requests, words = asked(lambda _: [entry(1)], total=total)
    assert (requests, "the same page again" in words) == (2, True)


def test_f13_all_pages_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forge, "MOST_BYTES", 100)
    requests, words = asked(lambda page: [entry(page)], size=30)
    assert (requests, "more than 100 bytes" in words) == (4, True)
