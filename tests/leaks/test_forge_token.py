"""The forge's token on its way to git and to the poller, and a server that says it back in every way it can."""

import base64
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError
from reconciler.git.poll import Poller
from reconciler.git.remote import Remote, Token
from reconciler.git.transport import Transport
from tests.leaks.forms import Searcher
from tests.leaks.sinks import files
from tests.leaks.watch import watching
from tests.leaks.words import of_exception

CANARY = "Zq7Wc9Lk2Vb5Nm8RtY4x"
SEARCHER = Searcher({"token": CANARY})
MEANT = b"GIT_CONFIG_VALUE_0="  # the environment of one short-lived git, which its owner alone can read


class _Echo(BaseHTTPRequestHandler):
    status = 403

    def _answer(self) -> None:
        sent = self.headers.get("Authorization", "")
        plain = base64.b64decode(sent.partition(" ")[2] or "").decode()
        said = f"denied: {sent} {plain} password={plain} https://{plain}@forge.invalid/r\n".encode()
        self.send_response(self.status, f"denied {plain}")
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(said)))
        self.send_header("WWW-Authenticate", f'Basic realm="{plain}"')
        self.send_header("Retry-After", plain)
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = _answer  # noqa: N815  the names are those of http.server

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[401, 403, 404, 429, 500, 503])
def remote(request: pytest.FixtureRequest) -> Iterator[Remote]:
    answers = type("Echo", (_Echo,), {"status": request.param})
    server = HTTPServer(("127.0.0.1", 0), answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Remote(f"http://127.0.0.1:{server.server_address[1]}/r.git", token=Token(CANARY))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_t17_t18_a_server_that_says_the_token_back_is_not_quoted(remote: Remote, tmp_path: Path) -> None:
    transport = Transport(tmp_path / "home")
    poller = Poller(remote, transport)
    with watching() as seen:
        with pytest.raises(ReconcilerError) as by_git:
            transport.run(["ls-remote", remote.url], remote=remote)
        with pytest.raises(ReconcilerError) as by_poll:
            poller.poll()
    poller.close()
    told = of_exception(by_git.value) + of_exception(by_poll.value) + repr(remote).encode()
    assert not SEARCHER.found(told)
    assert not any(SEARCHER.found(one) for one in seen.arguments)
    assert not any(SEARCHER.found(text.content) for text in files(tmp_path))
    assert not SEARCHER.found(b"\n".join(content for _, content in seen.removed))
    lines = [line for one in seen.environments for line in one.split(b"\n") if SEARCHER.found(line)]
    assert lines
    assert all(line.startswith(MEANT) for line in lines)
    assert CANARY not in str(os.environ)
