"""A GitHub on loopback: its REST API, the GraphQL that the adapter asks, and Git over HTTP for the same repository.

It counts as GitHub does: an answer that is unchanged (304) costs nothing of the limit. `lie` changes an answer before
it leaves; `cut` does a write and says nothing; `refuse` answers something else in place of what was asked.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tests.forges.github.apps import Apps
from tests.forges.github.hub import Hub, No
from tests.forges.github.shapes import Shapes, time
from tests.git.world import Reply, Request, http_backend

API = "/api/v3"
GRAPH = "/api/graphql"
LARGEST_PAGE = 100
LIMIT = 5_000  # requests an hour


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the API, with the account that asks."""

    who: str
    method: str
    path: str
    query: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class Counts:
    """What the server saw."""

    seen: list[str] = field(default_factory=list)  # such as `GET /pulls`
    unchanged: int = 0
    writes: int = 0
    graph: int = 0

    @property
    def paid(self) -> int:
        """Requests that count against REST's limit."""
        return len(self.seen) - self.unchanged - self.graph


class FakeGitHub:
    """Serves one hub. `tokens`: token -> login."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.tokens: dict[str, str] = {}
        self.apps = Apps(hub)
        self.counts = Counts()
        self.cut = False
        self.cut_at = ""  # part of the path of the write that is cut
        self.lie: Callable[[str, Any], Any] = lambda _what, content: content
        self.refuse: Callable[[str], Reply | None] = lambda _what: None
        self._git = http_backend(hub.root)
        self._turn = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _door(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.api = f"{self.origin}{API}"
        self.shapes = Shapes(hub, self.api)

    @property
    def clone_url(self) -> str:
        return f"{self.origin}/{self.hub.owner}/{self.hub.name}.git"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: Request) -> Reply | None:
        """None: the connection is cut."""
        url = urlsplit(request.path)
        if not url.path.startswith("/api/"):
            return self._over_git(request)
        with self._turn:
            what = f"{request.method} {self._short(url.path)}"
            self.counts.seen.append(what)
            if (refusal := self.refuse(what)) is not None:
                return refusal
            try:
                reply = self._reply(request, url.path, dict(parse_qsl(url.query)), what)
            except No as no:
                return _json(no.status, {"message": no.message, "errors": list(no.errors)})
            if request.method != "GET" and url.path != GRAPH:
                self.counts.writes += 1
                if self.cut and self.cut_at in what:
                    self.cut = False
                    return None
            return reply

    def _reply(self, request: Request, path: str, query: dict[str, str], what: str) -> Reply:
        body = json.loads(request.body) if request.body else None
        asked = Asked(self._who(request, path), request.method, path, query, body)
        self.hub.settle()
        if path == GRAPH:
            self.counts.graph += 1
            return _json(200, self.lie("graph", self._graph(asked)))
        for method, pattern, answer in ROUTES:
            found = re.fullmatch(API + pattern, path)
            if found and method == request.method:
                self._same_repository(found.groupdict())
                content = self.lie(what, answer(self, asked, found.groupdict()))
                return self._tagged(request, asked, content) if method == "GET" else _json(_made(method, path), content)
        raise No(404, "Not Found")

    def _who(self, request: Request, path: str) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if path.startswith(f"{API}/app/") or path.endswith("/installation"):
            return self.apps.of_jwt(token)
        login = self.tokens.get(token) or self.apps.of_token(token)
        if scheme != "Bearer" or not login:
            raise No(401, "Bad credentials")
        return login

    def _over_git(self, request: Request) -> Reply:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        password = base64.b64decode(text).decode().partition(":")[2] if scheme == "Basic" else ""
        if not (self.tokens.get(password) or self.apps.of_token(password)):
            return 401, {"WWW-Authenticate": 'Basic realm="GitHub"'}, b""
        return self._git(request)

    def _tagged(self, request: Request, asked: Asked, content: Any) -> Reply:
        headers = {"X-RateLimit-Limit": str(LIMIT), "X-RateLimit-Remaining": str(LIMIT - self.counts.paid)}
        if isinstance(content, list):
            size, page = min(int(asked.query.get("per_page", 30)), LARGEST_PAGE), int(asked.query.get("page", 1))
            if len(content) > size * page:
                after = urlencode({**asked.query, "page": page + 1})
                headers["Link"] = f'<{self.origin}{asked.path}?{after}>; rel="next"'
            content = content[size * (page - 1) : size * page]
        tag = f'W/"{hashlib.sha256(json.dumps(content).encode()).hexdigest()}"'
        if request.headers.get("if-none-match") == tag:
            self.counts.unchanged += 1
            return 304, {**headers, "ETag": tag}, b""
        return _json(200, content, ETag=tag, **headers)

    def _same_repository(self, names: Mapping[str, str]) -> None:
        if {"owner", "name"} <= names.keys() and (names["owner"], names["name"]) != (self.hub.owner, self.hub.name):
            raise No(404, "Not Found")

    def _short(self, path: str) -> str:
        return path.removeprefix(API).removeprefix(f"/repos/{self.hub.owner}/{self.hub.name}")

    def _graph(self, asked: Asked) -> dict[str, Any]:
        variables = asked.body["variables"]
        if "ids" in variables:
            reviews = {f"PRR_{one['id']}": one for pull in self.hub.pulls.values() for one in pull.reviews}
            return {"data": {"nodes": [_edit(node, reviews.get(node)) for node in variables["ids"]]}}
        pull = self.hub.pull(variables["number"])
        nodes = [
            {
                "__typename": "BaseRefChangedEvent",
                "createdAt": time(one["created_at"]),
                "old": one["old"],
                "new": one["new"],
            }
            for one in pull.timeline
            if one["event"] == "base_ref_changed"
        ]
        items = {"pageInfo": {"hasPreviousPage": False}, "nodes": nodes}
        found = {"number": pull.number, "timelineItems": items}
        return {"data": {"repository": {"nameWithOwner": f"{self.hub.owner}/{self.hub.name}", "pullRequest": found}}}


def _edit(node: str, said: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "__typename": "PullRequestReview",
        "id": node,
        "body": said["body"],
        "lastEditedAt": time(said["edited_at"]),
    }


Names = Mapping[str, str]
Route = Callable[[FakeGitHub, Asked, Names], Any]
REPOSITORY = r"/repos/(?P<owner>[^/]+)/(?P<name>[^/]+)"


def _pulls(fake: FakeGitHub, asked: Asked, _: Names) -> Any:
    head, base = asked.query.get("head"), asked.query.get("base")
    found = [
        one
        for one in fake.hub.pulls.values()
        if one.state == asked.query.get("state", "open") and head in (None, one.label) and base in (None, one.base)
    ]
    by_update = asked.query.get("sort") == "updated"
    found.sort(key=lambda one: one.updated_at if by_update else one.created_at)
    if asked.query.get("direction", "desc") == "desc":
        found.reverse()
    return [fake.shapes.pull(one, whole=False) for one in found]


def _open(fake: FakeGitHub, asked: Asked, _: Names) -> Any:
    said = asked.body
    number = fake.hub.open(asked.who, said["head"], base=said["base"], title=said["title"], body=said["body"])
    return fake.shapes.pull(fake.hub.pull(number), whole=True)


def _timeline(fake: FakeGitHub, _: Asked, names: Names) -> Any:
    return [fake.shapes.event(one) for one in fake.hub.pull(int(names["number"])).timeline]


def _edit_comment(fake: FakeGitHub, asked: Asked, names: Names) -> Any:
    number, said = fake.hub.say_instead(int(names["id"]), asked.body["body"])
    return fake.shapes.comment(number, said)


def _statuses(fake: FakeGitHub, _: Asked, names: Names) -> Any:
    sha = fake.hub.known(names["sha"])
    return [fake.shapes.status(one) for one in reversed(fake.hub.statuses) if one["sha"] == sha]


def _branch(fake: FakeGitHub, _: Asked, names: Names) -> Any:
    name = unquote(names["branch"])
    tip = fake.hub.tip(name)
    if tip is None:
        raise No(404, "Branch not found")
    return fake.shapes.branch(name, tip)


ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("GET", "/user", lambda fake, asked, _: fake.shapes.myself(asked.who)),
    (
        "GET",
        f"{REPOSITORY}/installation",
        lambda fake, asked, _: fake.shapes.installation(fake.apps.installed(asked.who), asked.who),
    ),
    (
        "POST",
        r"/app/installations/(?P<id>\d+)/access_tokens",
        lambda fake, asked, names: fake.apps.make_token(int(names["id"]), asked.who, asked.body),
    ),
    ("GET", REPOSITORY, lambda fake, asked, _: fake.shapes.itself(asked.who)),
    ("GET", f"{REPOSITORY}/pulls", _pulls),
    ("POST", f"{REPOSITORY}/pulls", _open),
    (
        "GET",
        rf"{REPOSITORY}/pulls/(?P<number>\d+)",
        lambda fake, _, names: fake.shapes.pull(fake.hub.pull(int(names["number"])), whole=True),
    ),
    (
        "GET",
        rf"{REPOSITORY}/pulls/(?P<number>\d+)/reviews",
        lambda fake, _, names: [
            fake.shapes.review(int(names["number"]), one) for one in fake.hub.pull(int(names["number"])).reviews
        ],
    ),
    (
        "GET",
        rf"{REPOSITORY}/pulls/(?P<number>\d+)/commits",
        lambda fake, _, names: fake.shapes.commits(fake.hub.commits_of(fake.hub.pull(int(names["number"])))),
    ),
    ("GET", rf"{REPOSITORY}/issues/(?P<number>\d+)/timeline", _timeline),
    (
        "GET",
        rf"{REPOSITORY}/issues/(?P<number>\d+)/comments",
        lambda fake, _, names: [
            fake.shapes.comment(int(names["number"]), one) for one in fake.hub.pull(int(names["number"])).comments
        ],
    ),
    (
        "POST",
        rf"{REPOSITORY}/issues/(?P<number>\d+)/comments",
        lambda fake, asked, names: fake.shapes.comment(
            int(names["number"]), fake.hub.say(asked.who, int(names["number"]), asked.body["body"])
        ),
    ),
    ("PATCH", rf"{REPOSITORY}/issues/comments/(?P<id>\d+)", _edit_comment),
    (
        "GET",
        rf"{REPOSITORY}/commits/(?P<sha>\w+)/pulls",
        lambda fake, _, names: [fake.shapes.pull(one, whole=False) for one in fake.hub.pulls_of(names["sha"])],
    ),
    ("GET", rf"{REPOSITORY}/commits/(?P<sha>\w+)/statuses", _statuses),
    (
        "POST",
        rf"{REPOSITORY}/statuses/(?P<sha>\w+)",
        lambda fake, asked, names: fake.shapes.status(fake.hub.set_status(asked.who, names["sha"], asked.body)),
    ),
    (
        "GET",
        f"{REPOSITORY}/collaborators/(?P<login>[^/]+)/permission",
        lambda fake, _, names: fake.shapes.permission(names["login"]),
    ),
    ("GET", f"{REPOSITORY}/collaborators", lambda fake, _, __: fake.shapes.collaborators()),
    ("GET", f"{REPOSITORY}/branches/(?P<branch>[^/]+)", _branch),
    (
        "GET",
        f"{REPOSITORY}/rules/branches/(?P<branch>[^/]+)",
        lambda fake, _, names: fake.shapes.rules(unquote(names["branch"])),
    ),
)


def _made(method: str, path: str) -> int:
    return 201 if method == "POST" else 200


def _json(status: int, content: Any, **headers: str) -> Reply:
    return status, {"Content-Type": "application/json; charset=utf-8", **headers}, json.dumps(content).encode()


def _door(fake: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = fake.answer(Request(self.command, self.path, headers, self._body(headers), self.client_address[1]))
            if reply is None:
                self.close_connection = True
                return
            status, answered, content = reply
            self.send_response(status)
            for name, value in {**answered, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = do_GET  # noqa: N815  http.server looks for these names

        def _body(self, headers: Mapping[str, str]) -> bytes:
            if headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the signature is not ours
            pass

    return Door
