"""The door for webhooks on a real socket, and who comes to it: our forge, strangers, and people with patience."""

import hashlib
import hmac
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from reconciler.approval.persons import ForgeKind
from reconciler.errors import Refused, Unavailable
from reconciler.forges.hooks import Deliveries
from reconciler.secret import Secret
from reconciler.web import listening
from reconciler.web.hooks import LARGEST, Answered, Door
from reconciler.web.listening import Address, Threads, bound, running, told

SECRET = "a secret of the hook"
PATIENT = 30.0  # seconds


@dataclass
class House:
    """A door, what it did, and how to knock."""

    presses: list[None] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    before: Deliveries = field(default_factory=Deliveries)
    address: tuple[str, int] = ("", 0)

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def signed(self, body: bytes, name: str = "d1", secret: str = SECRET) -> dict[str, str]:
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return {"Content-Type": "application/json", "X-Gitea-Signature": signature, "X-Gitea-Delivery": name}

    def post(self, body: bytes = b"{}", path: str = "/hook", **headers: str) -> httpx.Response:
        said = {**self.signed(body), **{name.replace("_", "-"): value for name, value in headers.items()}}
        return httpx.post(f"{self.url}{path}", content=body, headers=said, trust_env=False, timeout=PATIENT)

    def raw(self, *parts: bytes) -> bytes:
        """Send bytes as they are; everything that comes until the other side ends."""
        with socket.create_connection(self.address, timeout=PATIENT) as line:
            for part in parts:
                line.sendall(part)
            return _until_closed(line)


def _until_closed(line: socket.socket) -> bytes:
    found = b""
    try:
        while part := line.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def opened(house: House, application: Starlette) -> Iterator[House]:
    threads = Threads(died=lambda: None)
    with bound(Address("127.0.0.1", 0), "a test") as listener:
        house.address = listener.getsockname()
        with running(threads, "a test", application, listener):
            yield house
            threads.stopping()
        threads.join()


@pytest.fixture(scope="module")
def standing() -> Iterator[House]:
    """One server for all: it takes a moment to end."""
    made = House()
    door = Door(ForgeKind.GITEA, Secret(SECRET), lambda: made.presses.append(None), made.answered.append, made.before)
    yield from opened(made, door.application())


@pytest.fixture
def house(standing: House) -> House:
    """As if nobody had been there."""
    standing.presses.clear()
    standing.answered.clear()
    standing.before._seen.clear()
    return standing


def test_a_hook_of_our_forge_asks_for_a_look_and_its_replay_does_not(house: House) -> None:
    assert house.post().status_code == 202
    assert len(house.presses) == 1
    assert house.post().status_code == 200
    assert house.post(X_Gitea_Delivery="d2").status_code == 200
    assert len(house.presses) == 1
    assert house.answered == [Answered.TAKEN, Answered.REPLAYED, Answered.REPLAYED]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\x00", b"[" * 100_000, b'{"action": "merged"}'])
def test_the_content_is_never_read(house: House, body: bytes) -> None:
    assert house.post(body).status_code == 202
    assert house.post(body, X_Gitea_Signature="0" * 64).status_code == 401
    assert len(house.presses) == 1


@pytest.mark.parametrize(
    ("changes", "answered"),
    [
        ({"X_Gitea_Signature": "0" * 64}, 401),
        ({"X_Gitea_Signature": ""}, 401),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": "application/json; charset=utf-8"}, 202),
        ({"path": "/"}, 404),
        ({"path": "/hook/"}, 404),
        ({"path": "/metrics"}, 404),
        ({"path": "/hook?secret=x"}, 202),
    ],
)
def test_what_is_wrong_is_said_plainly_and_asks_for_nothing(
    house: House, changes: dict[str, str], answered: int
) -> None:
    seen = house.post(**changes)  # type: ignore[arg-type]
    assert (seen.status_code, len(house.presses)) == (answered, 1 if answered == 202 else 0)
    assert SECRET not in seen.text
    assert len(seen.text) < 100


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_post_is_a_hook(house: House, method: str) -> None:
    seen = httpx.request(method, f"{house.url}/hook", headers=house.signed(b""), trust_env=False)
    assert (seen.status_code, house.presses) == (405, [])


def test_one_megabyte_is_taken_and_one_byte_more_is_not(house: House) -> None:
    assert house.post(b"x" * LARGEST).status_code == 202
    assert house.post(b"x" * (LARGEST + 1)).status_code == 413
    assert len(house.presses) == 1


def test_a_length_that_is_stated_too_large_is_refused_before_anything_is_sent(house: House) -> None:
    head = b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    assert b" 413 " in house.raw(head + b"Content-Length: 99999999999999\r\n\r\n")


def test_chunks_without_end_are_cut_at_one_megabyte(house: House) -> None:
    with socket.create_connection(house.address, timeout=PATIENT) as line:
        line.sendall(
            b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        sent = dripped(line, [b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 1024)
    assert house.answered == [Answered.TOO_LARGE]
    assert sent < 1024


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"POST /hook HTTP/1.1\r\nHost: x\r\n",
        b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\nabc",
    ],
)
def test_who_says_nothing_more_is_hung_up_on(house: House, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "LIFETIME", 0.2)
    house.raw(said)  # returns when the server closes
    assert house.presses == []
    assert house.post().status_code == 202


def test_who_drips_is_hung_up_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "LIFETIME", 0.2)
    with socket.create_connection(house.address, timeout=0.02) as line:
        line.sendall(b"POST /hook HTTP/1.1\r\nHost: x\r\n")
        assert dripped(line, [b"X-%d: y\r\n" % number for number in range(1000)]) < 1000
    assert house.post().status_code == 202


def dripped(line: socket.socket, parts: Sequence[bytes]) -> int:
    """Send one after the other until the door is shut; how many were sent."""
    for number, part in enumerate(parts):
        try:
            line.sendall(part)
            if line.gettimeout() != PATIENT and not line.recv(100):
                return number
        except TimeoutError:
            continue
        except OSError:
            return number
    return len(parts)


def test_bytes_that_are_no_text_in_a_header_are_a_wrong_signature(house: House) -> None:
    head = b"POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 0\r\n"
    assert b" 401 " in house.raw(head + b"X-Gitea-Signature: \xe9\xff\r\n\r\n")


@pytest.mark.parametrize(
    "said",
    [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET\r\n\r\n", b"POST /hook HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"],
)
def test_what_is_no_http_is_answered_with_400(house: House, said: bytes) -> None:
    assert house.raw(said)[:12] in {b"HTTP/1.1 400", b""}
    assert house.post().status_code == 202


def test_more_connections_than_allowed_are_closed_and_the_others_live(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST", 3)
    lines = [socket.create_connection(house.address, timeout=PATIENT) for _ in range(3)]
    try:
        assert house.raw(b"GET / HTTP/1.1\r\n") == b""
        lines[0].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert lines[0].recv(12) == b"HTTP/1.1 404"
    finally:
        for line in lines:
            line.close()


def test_two_requests_on_one_line_are_one_hook(house: House) -> None:
    lines = [f"{name}: {value}" for name, value in {"Host": "x", "Content-Length": "2", **house.signed(b"{}")}.items()]
    hook = "\r\n".join(("POST /hook HTTP/1.1", *lines, "", "{}")).encode()
    assert house.raw(hook + hook).count(b"HTTP/1.1 ") == 1
    assert len(house.presses) == 1


def test_a_defect_is_logged_without_what_it_says(capfd: pytest.CaptureFixture[str]) -> None:
    def fails(_request: object) -> None:
        raise ValueError(SECRET)

    for house in opened(House(), Starlette(routes=[Route("/", fails)])):
        assert httpx.get(house.url, trust_env=False).status_code == 500
    out, err = capfd.readouterr()
    assert SECRET not in out + err


def test_an_address_that_is_taken_is_an_error_with_a_way_forward() -> None:
    with bound(Address("127.0.0.1", 0), "a test") as listener, pytest.raises(Refused) as refused:
        bound(Address.of(told(listener)), "webhooks")
    assert refused.value.key == "resource_conflict"
    assert "webhooks" in refused.value.message
    assert refused.value.hint()


@pytest.mark.parametrize("text", ["", "8750", ":8750", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "h:1/x", "a@h:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        Address.of(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:8750", ("127.0.0.1", 8750)), ("[::1]:1", ("::1", 1)), ("localhost:0", ("localhost", 0))],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert Address.of(text) == Address(*address)


def test_a_thread_that_ends_by_itself_is_heard_and_raised() -> None:
    def dies() -> None:
        raise RuntimeError

    died: list[None] = []
    threads = Threads(died=lambda: died.append(None))
    threads.start("a test", dies)
    with pytest.raises(RuntimeError):
        threads.join()
    assert len(died) == 1


def test_a_thread_that_returns_too_early_is_an_error_as_well() -> None:
    threads = Threads(died=lambda: None)
    threads.start("a test", lambda: None)
    with pytest.raises(Unavailable, match="a test"):
        threads.join()
