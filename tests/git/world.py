"""Real git in temporary folders: a person's clone, a bare remote, and that remote behind git's own CGI on loopback."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from reconciler.git.bare import BareRepository
from reconciler.git.commits import Person
from reconciler.git.remote import Remote
from reconciler.git.transport import Transport
from reconciler.names import Revision

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ANNA = Person("Anna Example", "anna@example.org", AT)
BOT = Person("reconciler", "reconciler@example.org", AT + timedelta(minutes=1))

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Anna Example",
    "GIT_AUTHOR_EMAIL": "anna@example.org",
    "GIT_COMMITTER_NAME": "Anna Example",
    "GIT_COMMITTER_EMAIL": "anna@example.org",
    "GIT_AUTHOR_DATE": "1767323045 +0100",
    "GIT_COMMITTER_DATE": "1767323045 +0100",
}


def git(folder: Path, *arguments: str, stdin: bytes = b"", check: bool = True, **environment: str) -> str:
    """Plain git, as a person would run it."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        check=False,
        env={**ENVIRONMENT, **environment},
    )
    assert done.returncode == 0 or not check, (arguments, done.stderr.decode())
    return done.stdout.decode().strip()


@dataclass(frozen=True, slots=True)
class Clone:
    """A person's clone with a work tree."""

    folder: Path

    def commit(self, message: str = "change", branch: str = "", **files: str | None) -> Revision:
        """Write files (`a__b_yaml` is `a/b.yaml`; None removes) and commit them."""
        if branch:
            git(self.folder, "checkout", "-q", "-B", branch)
        for key, content in files.items():
            path = self.folder / key.replace("__", "/").replace("_", ".")
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def head(self, name: str = "HEAD") -> Revision:
        return Revision(git(self.folder, "rev-parse", name))

    def push(self, *arguments: str) -> None:
        git(self.folder, "push", "-q", *(arguments or ("origin", "--all")))


@dataclass(slots=True)
class World:
    """A bare remote `remote.git`, a clone of it, and a transport of ours."""

    folder: Path
    remote: Path
    clone: Clone
    transport: Transport

    @property
    def bare(self) -> BareRepository:
        return BareRepository(self.remote, self.transport)

    @property
    def address(self) -> Remote:
        return Remote(str(self.remote))

    def tree(self, *lines: tuple[str, str, bytes]) -> str:
        """A tree that no work tree could hold: (mode, id, raw name), written without any check."""
        body = b"".join(f"{mode} ".encode() + name + b"\0" + bytes.fromhex(oid) for mode, oid, name in lines)
        return git(self.remote, "hash-object", "-t", "tree", "-w", "--stdin", "--literally", stdin=body)

    def blob(self, content: bytes) -> str:
        return git(self.remote, "hash-object", "-w", "--stdin", stdin=content)

    def commit_of(self, tree: str, *parents: str) -> Revision:
        given = [part for parent in parents for part in ("-p", parent)]
        return Revision(git(self.remote, "commit-tree", tree, "-m", "made by hand", *given))


def make_world(folder: Path) -> World:
    remote = folder / "remote.git"
    git(folder, "init", "-q", "--bare", "--initial-branch=main", str(remote))
    git(remote, "config", "http.receivepack", "true")
    git(folder, "clone", "-q", str(remote), "clone")
    clone = Clone(folder / "clone")
    git(clone.folder, "checkout", "-q", "-B", "main")
    return World(folder, remote, clone, Transport(folder / "transport"))


@dataclass(slots=True)
class Requests:
    """What a server saw: (method, path, headers)."""

    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    @property
    def authorizations(self) -> list[str]:
        return [headers["authorization"] for _, _, headers in self.seen if "authorization" in headers]


@dataclass(frozen=True, slots=True)
class Request:
    """What a server was asked; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    client: int  # its port


Reply = tuple[int, dict[str, str], bytes]


def always(status: int, headers: dict[str, str], body: bytes = b"") -> Callable[[Request], Reply]:
    """The same answer to everything."""
    return lambda _: (status, headers, body)


@contextmanager
def serving(answer: Callable[[Request], Reply]) -> Iterator[Requests]:
    """A loopback server that answers with what a function gives, and remembers what it was asked."""
    requests = Requests()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together: apart, the second waits 40 ms for the first one's acknowledgement

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            requests.seen.append((self.command, self.path, headers))
            body = self.rfile.read(int(headers.get("content-length", 0)))
            if headers.get("transfer-encoding") == "chunked":
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
            status, answered, content = answer(Request(self.command, self.path, headers, body, self.client_address[1]))
            self.send_response(status)
            for name, value in {**answered, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815  http.server looks for this name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the signature is not ours
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    requests.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def http_backend(root: Path) -> Callable[[Request], Reply]:
    """git's own CGI over the repositories below a folder."""

    def answer(request: Request) -> Reply:
        name, _, query = request.path.partition("?")
        headers, body = request.headers, request.body
        environment = {
            "GIT_PROJECT_ROOT": str(root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": name,
            "QUERY_STRING": query,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "REMOTE_USER": "someone",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, check=True, env={**ENVIRONMENT, **environment}
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        answered = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        return int(answered.pop("Status", "200 OK").split()[0]), answered, content

    return answer
