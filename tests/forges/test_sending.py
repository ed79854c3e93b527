"""The sender that all adapters share: limits, unchanged answers, pages, a token that ends (F11 to F13, F15, T21)."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.errors import Rejected, Unavailable, Untrusted
from reconciler.forges import remembering, sending
from reconciler.forges.asking import Answer, Reading, Request
from reconciler.forges.github.requests import Repository as GitHubRepository
from reconciler.forges.gitlab.requests import Project as GitLabProject
from reconciler.forges.sending import ForgeRefusal, Sender
from reconciler.secret import Secret, TokenSource
from tests.git.world import Reply, Requests, serving
from tests.git.world import Request as Asked

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LIST = Request("listing things", "GET", "/things", full=2)
WRITE = Request("making a thing", "POST", "/things", body={"a": 1})
TOKEN = "t0ken-of-the-forge"


class Still:
    """A clock that moves only when somebody waits or a test says so."""

    def __init__(self) -> None:
        self.time = NOW
        self.waits: list[timedelta] = []
        self.stopping = False

    def now(self) -> datetime:
        return self.time

    def wait(self, duration: timedelta) -> bool:
        self.waits.append(duration)
        self.time += duration
        return self.stopping


def said(content: Any, status: int = 200, *, next_page: str = "", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if next_page:
        named["Link"] = f'<{next_page}>; rel="next"'
    return status, {"Content-Type": "application/json", **named}, json.dumps(content).encode()


@contextmanager
def asking(
    answer: Callable[[Asked], Reply], clock: Still | None = None, token: Secret | TokenSource | None = None
) -> Iterator[tuple[Sender, Requests]]:
    with serving(answer) as requests:
        sender = Sender(f"{requests.url}/api", token or Secret(TOKEN), clock or Still())
        try:
            yield sender, requests
        finally:
            sender.close()


@pytest.mark.parametrize("request_", [LIST, Request("reading a thing", "GET", "/things/1")])
def test_f13_an_answer_without_a_word_is_no_empty_list(request_: Request) -> None:
    with asking(lambda _: (200, {"Content-Type": "application/json"}, b"")) as (sender, _):
        with pytest.raises(Rejected, match="without a word"):
            sender.send(request_)
        assert sender.send(WRITE).content is None


# --- limits (F11)


@pytest.mark.parametrize(
    ("refusal", "peace"),
    [
        pytest.param(said({}, 429, Retry_After="40"), 40, id="429 with seconds"),
        pytest.param(said({}, 429, Retry_After="Wed, 04 Mar 2026 05:07:07 GMT"), 60, id="429 with a date"),
        pytest.param(said({}, 403, Retry_After="70"), 70, id="secondary limit with seconds"),
        pytest.param(said({"message": "You have exceeded a secondary rate limit."}, 403), 60, id="secondary, no time"),
        pytest.param(said({}, 429), 60, id="429, no time"),
        pytest.param(
            said({}, 403, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(int(NOW.timestamp()) + 90)), 90, id="GitHub"
        ),
        pytest.param(
            said({}, 429, RateLimit_Remaining="0", RateLimit_Reset=str(int(NOW.timestamp()) + 90)), 90, id="GitLab"
        ),
        pytest.param(said({}, 429, Retry_After="999999"), 3600, id="never longer than an hour"),
    ],
)
def test_f11_nothing_is_sent_while_the_forge_wants_peace(refusal: Reply, peace: int) -> None:
    answers = [refusal, said([])]
    clock = Still()
    with asking(lambda _: answers.pop(0), clock) as (sender, requests):
        with pytest.raises(Unavailable) as first:
            sender.send(LIST)
        assert (first.value.key, first.value.retry_after) == ("rate_limited", timedelta(seconds=peace))
        clock.time += timedelta(seconds=peace - 1)
        for request in (LIST, WRITE):
            with pytest.raises(Unavailable):
                sender.send(request)
        assert len(requests.seen) == 1
        clock.time += timedelta(seconds=1)
        assert sender.send(LIST).content == []


def test_f11_a_limit_without_a_time_is_waited_for_longer_each_time() -> None:
    clock, waits = Still(), []
    with asking(lambda _: said({"message": "secondary rate limit"}, 403), clock) as (sender, _):
        for _ in range(8):
            with pytest.raises(Unavailable) as refused:
                sender.send(LIST)
            waits.append(refused.value.retry_after.total_seconds())
            clock.time += refused.value.retry_after
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_f11_the_last_request_of_an_hour_is_known_to_be_the_last() -> None:
    last = said([], X_RateLimit_Remaining="0", X_RateLimit_Reset=str(int(NOW.timestamp()) + 600))
    with asking(lambda _: last) as (sender, requests):
        sender.send(LIST)
        with pytest.raises(Unavailable) as refused:
            sender.send(LIST)
        assert refused.value.retry_after == timedelta(seconds=600)
        assert len(requests.seen) == 1


def test_a_403_that_speaks_of_rights_is_no_limit() -> None:
    with asking(lambda _: said({"message": "Resource not accessible by integration"}, 403)) as (sender, _):
        for _ in range(2):
            with pytest.raises(ForgeRefusal, match="not accessible") as refused:
                sender.send(LIST)
            assert (refused.value.status, refused.value.key) == (403, "permission_denied")


def test_f11_many_writes_in_a_row_have_a_second_between_them() -> None:
    clock = Still()
    with asking(lambda _: said({}), clock) as (sender, _):
        for _ in range(25):
            sender.send(WRITE)
        assert clock.waits == [timedelta(seconds=1)] * 5
        clock.time += timedelta(minutes=1)
        sender.send(WRITE)
        assert len(clock.waits) == 5
        clock.stopping = True
        for _ in range(19):
            sender.send(WRITE)
        with pytest.raises(Unavailable, match="stops"):
            sender.send(WRITE)


# --- unchanged answers


def tagged(content: Callable[[], Any]) -> Callable[[Asked], Reply]:
    """A forge whose tag is its content."""

    def answer(asked: Asked) -> Reply:
        tag = f'"{hash(json.dumps(content()))}"'
        return said(None, 304) if asked.headers.get("if-none-match") == tag else said(content(), ETag=tag)

    return answer


def test_an_unchanged_answer_is_the_one_before_and_a_changed_one_is_new() -> None:
    things = [{"id": 1}]
    with asking(tagged(lambda: things)) as (sender, requests):
        first = sender.send(LIST)
        again = sender.send(LIST)
        assert (first.content, first.unchanged, again.content, again.unchanged) == (things, False, things, True)
        things.append({"id": 2})
        assert sender.send(LIST).content == things
    assert ["if-none-match" in headers for _, _, headers in requests.seen] == [False, True, True]


def test_the_full_last_page_of_a_list_is_always_asked_for_anew() -> None:
    """A new entry makes a second page and leaves the first one as it is: its tag would hide the second."""
    things = [1, 2]

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("if-none-match") == '"page one"':
            return said(None, 304)
        if "page=2" in asked.path:
            return said(things[2:], ETag='"page two"')
        return said(things[:2], ETag='"page one"', next_page=page(asked, 2) if len(things) > 2 else "")

    with asking(answer) as (sender, _):
        assert [page.content for page in sender.pages(LIST)] == [[1, 2]]
        things.append(3)
        assert [page.content for page in sender.pages(LIST)] == [[1, 2], [3]]


@pytest.mark.parametrize(
    "request_for",
    [
        pytest.param(GitHubRepository("o", "r").reviews(1), id="github"),
        pytest.param(GitLabProject("g/p").notes(1), id="gitlab notes"),
        pytest.param(GitLabProject("g/p").open_merge_requests(), id="gitlab merge requests"),
    ],
)
def test_the_hundred_and_first_entry_is_seen_though_the_first_page_is_unchanged(request_for: Request) -> None:
    things: list[dict[str, int]] = [{"id": index} for index in range(100)]

    def answer(asked: Asked) -> Reply:
        number = 2 if "page=2" in asked.path else 1
        here = things[100 * (number - 1) : 100 * number]
        tag = f'W/"{hash(str(here))}"'  # of the page's own bytes, as GitLab makes it
        more = page(asked, 2) if number == 1 and len(things) > 100 else ""
        return said(None, 304) if asked.headers.get("if-none-match") == tag else said(here, ETag=tag, next_page=more)

    with asking(answer) as (sender, _):
        assert len(sender.whole(request_for)) == 100
        things.append({"id": 100})
        assert len(sender.whole(request_for)) == 101


def test_unchanged_without_having_been_asked_is_no_answer() -> None:
    with asking(lambda _: said(None, 304)) as (sender, _), pytest.raises(Rejected):
        sender.send(LIST)


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "MOST", 100)
    remembered = remembering.Remembered()
    for index in range(5):
        remembered.keep((str(index), ()), LIST, Answer("", index, size=40), '"t"')
    assert [bool(remembered.tag((str(index), ()))) for index in range(5)] == [False, False, False, True, True]
    remembered.keep(("4", ()), LIST, Answer("", 5, size=40), '"u"')
    assert remembered.again(("4", ())).content == 5
    assert remembered.tag(("3", ()))


def test_writes_carry_no_tag() -> None:
    with asking(lambda _: said({}, ETag='"t"')) as (sender, requests):
        sender.send(WRITE)
        sender.send(WRITE)
    assert not any("if-none-match" in headers for _, _, headers in requests.seen)


# --- pages


def page(asked: Asked, number: int) -> str:
    return f"http://{asked.headers['host']}/api/things?page={number}"


def test_f13_a_list_whose_pages_shift_is_read_again_until_it_stands_still() -> None:
    """An entry of the first page goes away between the pages: the one that moves up would be in neither."""
    things = [{"id": index} for index in range(5)]
    seen = []

    def answer(asked: Asked) -> Reply:
        number = int(asked.path.partition("page=")[2] or 1)
        seen.append(number)
        here = things[2 * number - 2 : 2 * number]
        if len(seen) == 1:
            del things[0]
        return said(here, next_page=page(asked, number + 1) if len(things) > 2 * number else "")

    with asking(answer) as (sender, _):
        assert [entry.number("id") for entry in sender.whole(LIST)] == [1, 2, 3, 4]


def test_f13_a_list_that_never_stands_still_is_no_list() -> None:
    count = 0

    def answer(asked: Asked) -> Reply:
        nonlocal count
        count += 1
        return said([{"id": count}], next_page="" if "page=2" in asked.path else page(asked, 2))

    with asking(answer) as (sender, _), pytest.raises(Unavailable, match="faster"):
        sender.whole(LIST)


@pytest.mark.parametrize(
    ("following", "sent"),
    [
        pytest.param({1: 1}, 1, id="the first names itself"),
        pytest.param({1: 2, 2: 2}, 2, id="the second names itself"),
        pytest.param({1: 2, 2: 3, 3: 2}, 3, id="a circle"),
    ],
)
def test_f13_a_page_that_names_one_before_it_is_not_followed(following: dict[int, int], sent: int) -> None:
    def answer(asked: Asked) -> Reply:
        number = int(asked.path.partition("page=")[2])
        return said([{"id": number}], next_page=page(asked, following[number]))

    with asking(answer) as (sender, requests):
        with pytest.raises(Rejected, match="came before"):
            sender.whole(Request("listing things", "GET", "/things", (("page", "1"),)))
        assert len(requests.seen) == sent


def test_f13_all_pages_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MOST_BYTES", 1_000)

    def answer(asked: Asked) -> Reply:
        number = int(asked.path.partition("page=")[2] or 1)
        return said([{"id": number, "words": "x" * 300}], next_page=page(asked, number + 1))

    with asking(answer) as (sender, requests):
        with pytest.raises(Rejected, match="1000 bytes in all"):
            sender.whole(LIST)
        assert len(requests.seen) == 4


def test_t21_a_next_page_elsewhere_gets_no_token() -> None:
    with serving(lambda _: said([])) as elsewhere:
        page_there = said([1], next_page=f"{elsewhere.url}/api/things?page=2")
        with asking(lambda _: page_there) as (sender, _), pytest.raises(Untrusted, match="origin"):
            sender.whole(LIST)
        assert elsewhere.seen == []


def test_f13_a_next_page_that_is_no_address_is_no_answer() -> None:
    with asking(lambda _: said([1], next_page="https://[half/api/things")) as (sender, _), pytest.raises(Rejected):
        sender.whole(LIST)


@pytest.mark.parametrize(
    "when", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +99999999999999999999"]
)
def test_f11_a_time_to_come_back_that_no_calendar_has_is_a_limit_without_a_time(when: str) -> None:
    with asking(lambda _: said({}, 429, Retry_After=when)) as (sender, _), pytest.raises(Unavailable) as caught:
        sender.send(LIST)
    assert caught.value.retry_after == timedelta(minutes=1)


def test_f13_a_time_at_the_end_of_the_calendar_and_half_a_character_are_no_answer() -> None:
    reading = Reading("reading", {"at": "0001-01-01T00:00:00+01:00", "title": "\ud800"})
    with pytest.raises(Rejected):
        reading.time("at")
    with pytest.raises(Rejected):
        reading.maybe("title")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_t21_a_redirect_is_not_followed(status: int) -> None:
    with serving(lambda _: said([])) as elsewhere:
        with (
            asking(lambda _: said(None, status, Location=f"{elsewhere.url}/api/things")) as (sender, _),
            pytest.raises(Rejected, match="redirect"),
        ):
            sender.send(LIST)
        assert elsewhere.seen == []


# --- the token


class Renewed:
    """A token that ends."""

    def __init__(self) -> None:
        self.serial, self.renewals = 1, 0

    def token(self) -> Secret:
        return Secret(f"token-{self.serial}")

    def renew(self) -> bool:
        self.renewals += 1
        self.serial += 1
        return True


@pytest.mark.parametrize("request_", [LIST, WRITE], ids=["read", "write"])
def test_f15_a_refused_token_is_renewed_and_the_request_sent_once_more(request_: Request) -> None:
    token = Renewed()

    def answer(asked: Asked) -> Reply:
        return said([]) if asked.headers["authorization"] == "Bearer token-2" else said({}, 401)

    with asking(answer, token=token) as (sender, requests):
        assert sender.send(request_).content == []
    assert (token.renewals, requests.authorizations) == (1, ["Bearer token-1", "Bearer token-2"])


def test_f15_a_token_that_stays_refused_is_tried_twice_and_not_for_ever() -> None:
    token = Renewed()
    with (
        asking(lambda _: said({"message": "Bad credentials"}, 401), token=token) as (sender, requests),
        pytest.raises(ForgeRefusal, match="Bad credentials") as refused,
    ):
        sender.send(LIST)
    assert (len(requests.seen), refused.value.key) == (2, "permission_denied")


@pytest.mark.parametrize("token", ["t\u00f6ken", "two words", "line\n", "\u2028"])
def test_f15_a_token_that_no_header_carries_is_refused_in_words_that_do_not_tell_it(token: str) -> None:
    with asking(lambda _: said([]), token=Secret(token)) as (sender, requests):
        with pytest.raises(Rejected, match="no token has") as refused:
            sender.send(LIST)
        assert refused.value.key == "permission_denied"
        assert token not in str(refused.value)
        assert requests.seen == []


def test_f15_a_fixed_token_is_not_tried_again() -> None:
    with asking(lambda _: said({}, 401)) as (sender, requests), pytest.raises(ForgeRefusal):
        sender.send(LIST)
    assert len(requests.seen) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500])
def test_a_forge_that_says_the_token_back_is_not_quoted(status: int) -> None:
    echo = said({"message": f"no: Bearer {TOKEN}", "errors": [TOKEN, {"message": TOKEN}]}, status)
    with asking(lambda _: echo) as (sender, _), pytest.raises((Rejected, Unavailable)) as refused:
        sender.send(LIST)
    assert TOKEN not in str(refused.value)
    assert "no: Bearer ***" in str(refused.value)


def test_what_a_refusal_says_in_detail_is_told() -> None:
    body = {"message": "Validation Failed", "errors": [{"message": "A pull request already exists"}, "and more"]}
    with asking(lambda _: said(body, 422)) as (sender, _), pytest.raises(ForgeRefusal) as refused:
        sender.send(WRITE)
    assert "Validation Failed; A pull request already exists; and more" in str(refused.value)
