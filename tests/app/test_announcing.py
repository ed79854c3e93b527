"""One POST to a webhook, on a real socket: what is sent, and what counts as not told."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from reconciler.app.announcing import HttpAnnouncer
from reconciler.errors import Rejected, Unavailable
from reconciler.secret import Secret


class Hook(BaseHTTPRequestHandler):
    """Answers with the code that its path names, and keeps what it heard."""

    heard: ClassVar[list[tuple[str, str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).heard.append((self.path, self.headers.get("Authorization", ""), json.loads(body)))
        self.send_response(int(self.path[1:4]))
        self.send_header("Location", "/200-elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    server = HTTPServer(("127.0.0.1", 0), type("Own", (Hook,), {"heard": []}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.RequestHandlerClass.heard  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_message_is_posted_once_with_its_token(hook: tuple[str, list[Any]]) -> None:
    url, heard = hook
    HttpAnnouncer().announce(f"{url}/204", Secret("letmein\n"), {"ticket": "dep-appr-7"})
    HttpAnnouncer().announce(f"{url}/200", None, {})
    assert heard == [("/204", "Bearer letmein", {"ticket": "dep-appr-7"}), ("/200", "", {})]


@pytest.mark.parametrize("code", [302, 404, 500])
def test_an_answer_that_is_no_success_is_refused_and_nobody_is_followed(code: int, hook: tuple[str, list[Any]]) -> None:
    url, heard = hook
    with pytest.raises(Rejected, match=str(code)):
        HttpAnnouncer().announce(f"{url}/{code}", Secret("letmein"), {})
    assert len(heard) == 1


def test_nobody_there_is_unavailable_and_the_token_is_not_told(hook: tuple[str, list[Any]]) -> None:
    with pytest.raises(Unavailable) as failure:
        HttpAnnouncer().announce("http://127.0.0.1:1/", Secret("letmein"), {})
    assert "letmein" not in repr(failure.value) + str(failure.value.__cause__)
