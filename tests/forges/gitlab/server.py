"""A stand-in for GitLab on loopback: its REST API of version 4, as far as the adapter and the tests' people use it.

It keeps state and answers in GitLab's shapes. `lies` may change an answer before it is sent: that is how a forge that
lies is made.
"""

import base64
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tests.forges.gitlab import jobs, merging, shapes
from tests.forges.gitlab.state import DEVELOPER, GitLabState, MergeRequest, Note, Project, User
from tests.git.world import Request, http_backend

API = "/api/v4"
PROJECT = "/projects/(?P<project>[^/]+)"
REQUEST = PROJECT + r"/merge_requests/(?P<iid>\d+)"
QUICK_ACTION = re.compile(r"^/(request_changes|approve|unapprove|close|merge)\s*$", re.MULTILINE)


class Problem(Exception):
    """An answer that says no."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Call:
    """One request, with what its path names."""

    def __init__(
        self, state: GitLabState, who: User, names: dict[str, str], query: dict[str, str], body: dict[str, Any]
    ) -> None:
        self.state, self.who, self.names, self.query, self.body = state, who, names, query, body

    @property
    def project(self) -> Project:
        name = unquote(self.names["project"])
        found = [one for one in self.state.projects if name in {one.path, str(one.id)}]
        if not found:
            raise Problem(404, "404 Project Not Found")
        return found[0]

    @property
    def merge_request(self) -> MergeRequest:
        found = [one for one in self.project.merge_requests if str(one.iid) == self.names["iid"]]
        if not found:
            raise Problem(404, "404 Not found")
        return found[0]

    @property
    def note(self) -> Note:
        found = [one for one in self.merge_request.notes if str(one.id) == self.names["note"]]
        if not found:
            raise Problem(404, "404 Not found")
        return found[0]

    def demand_developer(self) -> None:
        if self.project.members.get(self.who.id, 0) < DEVELOPER:
            raise Problem(403, "403 Forbidden")

    def commit(self) -> str:
        if self.names["sha"] not in self.project.git:
            raise Problem(404, "404 Commit Not Found")
        return self.names["sha"]


def _open_ones(call: Call) -> Any:
    wanted = call.query.get("state", "all")
    source = call.query.get("source_branch")
    return [
        shapes.merge_request(one)
        for one in call.project.merge_requests
        if wanted in {"all", one.state} and source in {None, one.source_branch}
    ]


def _open(call: Call) -> Any:
    target = call.project
    if call.body.get("target_project_id"):
        target = next(one for one in call.state.projects if one.id == call.body["target_project_id"])
    branch = call.body["source_branch"]
    for one in target.merge_requests:
        if (one.state, one.source_branch, one.source) == ("opened", branch, call.project):
            raise Problem(409, f"Another open merge request already exists for this source branch: !{one.iid}")
    made = call.state.open(target, call.project, call.who, call.body)
    _carry_out(call, made, made.description)
    return shapes.merge_request(made)


def _change(call: Call) -> Any:
    one = call.merge_request
    if "assignee_ids" in call.body:
        one.assignees = [call.state.users[number] for number in call.body["assignee_ids"]]
    if "target_branch" in call.body:
        call.state.retarget(one, call.body["target_branch"], call.who)
    if call.body.get("state_event") == "close":
        call.state.close(one, call.who)
    if call.body.get("state_event") == "reopen":
        call.state.reopen(one, call.who)
    return shapes.merge_request(one)


def _say(call: Call) -> Any:
    body = call.body["body"]
    _carry_out(call, call.merge_request, body)
    said = QUICK_ACTION.sub("", body).strip()
    if not said:
        return {"commands_changes": {}, "summary": ["Done."]}
    note = call.state.happened(call.merge_request, call.who, said, system=False)
    note.internal = bool(call.body.get("internal"))
    return shapes.note(note, call.merge_request)


def _carry_out(call: Call, one: MergeRequest, body: str) -> None:
    acts: dict[str, Callable[[], None]] = {
        "request_changes": lambda: call.state.request_changes(one, call.who),
        "approve": lambda: call.state.approve(one, call.who),
        "unapprove": lambda: call.state.unapprove(one, call.who),
        "close": lambda: call.state.close(one, call.who),
        "merge": lambda: merging.merge(call.state, one, call.who, squash=False, forward=False),
    }
    for name in QUICK_ACTION.findall(body):
        acts[name]()


def _say_to_the_diff(call: Call) -> Any:
    note = call.state.happened(call.merge_request, call.who, call.body["body"], system=False)
    note.kind, note.head = "DiffNote", call.body["position"]["head_sha"]
    return {"id": str(note.id), "individual_note": False, "notes": [shapes.note(note, call.merge_request)]}


def _say_instead(call: Call) -> Any:
    if call.note.author is not call.who:
        raise Problem(403, "403 Forbidden")
    call.note.body, call.note.updated_at = call.body["body"], call.state.now()
    return shapes.note(call.note, call.merge_request)


def _approve(call: Call) -> Any:
    call.demand_developer()
    if call.body.get("sha", call.merge_request.head) != call.merge_request.head:
        raise Problem(409, "SHA does not match HEAD of source branch")
    if call.who.id in call.merge_request.approvals:
        raise Problem(401, "401 Unauthorized")
    call.state.approve(call.merge_request, call.who)
    return shapes.approvals(call.state, call.merge_request)


def _unapprove(call: Call) -> Any:
    if call.who.id not in call.merge_request.approvals:
        raise Problem(404, "404 Not found")
    call.state.unapprove(call.merge_request, call.who)
    return shapes.approvals(call.state, call.merge_request)


def _merge(call: Call) -> Any:
    call.demand_developer()
    if call.project.pipelines_must_succeed and not jobs.succeeded(call.project, call.merge_request.head):
        raise Problem(405, "405 Method Not Allowed")
    squash = bool(call.body.get("squash"))
    merging.merge(call.state, call.merge_request, call.who, squash=squash, forward=bool(call.body.get("forward")))
    return shapes.merge_request(call.merge_request)


def _rebase(call: Call) -> Any:
    merging.rebase(call.state, call.merge_request, call.who)
    return {"rebase_in_progress": True}


def _of_commit(call: Call) -> Any:
    """Where it is one of the latest version's commits, or what the merge made."""
    sha = call.commit()
    return [
        shapes.merge_request(one)
        for one in call.project.merge_requests
        if call.query.get("state") in {None, one.state}
        and (sha in {one.merge_commit, one.squash_commit} or sha in call.state.commits_of(one))
    ]


def _statuses(call: Call) -> Any:
    sha = call.commit()
    return [shapes.job(one) for one in call.project.jobs if one.sha == sha and not one.replaced]


def _set_status(call: Call) -> Any:
    call.demand_developer()
    try:
        return shapes.job(jobs.set_status(call.state, call.project, call.who, call.commit(), call.body))
    except jobs.Refused as refused:
        raise Problem(refused.code, str(refused)) from refused


def _pipelines(call: Call) -> Any:
    found = [one for one in call.project.pipelines if one.sha == call.query["sha"]]
    return [{"id": one.id, "sha": one.sha, "ref": one.ref, "status": "running"} for one in reversed(found)]


def _account(call: Call) -> Any:
    found = call.state.users.get(int(call.names["user"]))
    if found is None:
        raise Problem(404, "404 User Not Found")
    return shapes.account(found)


def _member(call: Call) -> Any:
    number = int(call.names["user"])
    if number not in call.project.members:
        raise Problem(404, "404 Not found")
    return shapes.member(call.state.users[number], call.project.members[number])


def _branch(call: Call) -> Any:
    name = unquote(call.names["branch"])
    if call.project.tip(name) is None:
        raise Problem(404, "404 Branch Not Found")
    return shapes.branch(call.project, name, call.who)


def _approval_rules(call: Call) -> Any:
    if call.project.approval_rules is None:
        raise Problem(404, "404 Not Found")
    return [
        shapes.approval_rule(number, name, asked) for number, (name, asked) in enumerate(call.project.approval_rules, 1)
    ]


def _delete_branch(call: Call) -> Any:
    call.project.git.references.delete(f"refs/heads/{unquote(call.names['branch'])}")


ROUTES: tuple[tuple[str, str, Callable[[Call], Any]], ...] = (
    ("GET", "/user", lambda call: shapes.account(call.who)),
    ("GET", r"/users/(?P<user>\d+)", _account),
    ("GET", PROJECT, lambda call: shapes.project(call.project)),
    ("GET", PROJECT + "/members/all", lambda call: shapes.members(call.state, call.project)),
    ("GET", PROJECT + r"/members/all/(?P<user>\d+)", _member),
    ("GET", PROJECT + "/repository/branches/(?P<branch>[^/]+)", _branch),
    ("GET", PROJECT + "/approval_rules", _approval_rules),
    ("GET", "/personal_access_tokens/self", lambda call: shapes.token(call.state, call.who)),
    ("GET", PROJECT + "/merge_requests", _open_ones),
    ("POST", PROJECT + "/merge_requests", _open),
    ("GET", REQUEST, lambda call: shapes.merge_request(call.merge_request)),
    ("PUT", REQUEST, _change),
    ("GET", REQUEST + "/versions", lambda call: _newest_first(call)),
    ("GET", REQUEST + "/approvals", lambda call: shapes.approvals(call.state, call.merge_request)),
    ("POST", REQUEST + "/approve", _approve),
    ("POST", REQUEST + "/unapprove", _unapprove),
    ("GET", REQUEST + "/reviewers", lambda call: shapes.reviewers(call.state, call.merge_request)),
    (
        "GET",
        REQUEST + "/notes",
        lambda call: [shapes.note(one, call.merge_request) for one in call.merge_request.notes],
    ),
    ("POST", REQUEST + "/notes", _say),
    ("PUT", REQUEST + r"/notes/(?P<note>\d+)", _say_instead),
    ("POST", REQUEST + "/discussions", _say_to_the_diff),
    ("PUT", REQUEST + "/merge", _merge),
    ("PUT", REQUEST + "/rebase", _rebase),
    ("GET", PROJECT + r"/repository/commits/(?P<sha>\w+)/merge_requests", _of_commit),
    ("GET", PROJECT + r"/repository/commits/(?P<sha>\w+)/statuses", _statuses),
    ("DELETE", PROJECT + "/repository/branches/(?P<branch>[^/]+)", _delete_branch),
    ("POST", PROJECT + r"/statuses/(?P<sha>\w+)", _set_status),
    ("GET", PROJECT + "/pipelines", _pipelines),
)


def _newest_first(call: Call) -> Any:
    return [shapes.version(one, call.merge_request) for one in reversed(call.merge_request.versions)]


Lie = Callable[[str, Any], Any]  # the path below the API and the answer's content; what is answered instead


class FakeGitLab:
    """Use as a context manager. `asked` is every request, as (account, method, path)."""

    def __init__(self, folder: Path, *, largest_page: int = 100) -> None:
        self.state = GitLabState(folder)
        self.largest_page = largest_page
        self.git = http_backend(folder)
        self.lies: list[Lie] = []
        self.asked: list[tuple[str, str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(poll_interval=0.01), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def api(self) -> str:
        return f"{self.url}{API}"

    def answer(self, method: str, target: str, token: str, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        """Code, content and headers."""
        parts = urlsplit(target)
        path, query = parts.path.removeprefix(API), dict(parse_qsl(parts.query))
        with self.state.lock:
            who = self.state.tokens.get(token)
            if who is None:
                return 401, {"message": "401 Unauthorized"}, {}
            self.asked.append((who.username, method, path))
            for verb, pattern, act in ROUTES:
                match = re.fullmatch(pattern, path)
                if verb == method and match:
                    self.state.received()
                    return self._answered(act, Call(self.state, who, match.groupdict(), query, body), method, target)
        return 404, {"error": "404 Not Found"}, {}

    def _answered(
        self, act: Callable[[Call], Any], call: Call, method: str, target: str
    ) -> tuple[int, Any, dict[str, str]]:
        try:
            content = act(call)
        except Problem as problem:
            return problem.code, {"message": str(problem)}, {}
        except merging.CannotMerge:
            return 405, {"message": "405 Method Not Allowed"}, {}
        path = urlsplit(target).path.removeprefix(API)
        if method == "GET":
            for lie in self.lies:
                content = lie(path, content)
        headers: dict[str, str] = {}
        if isinstance(content, list):
            content, headers = self._page(content, target, call.query)
        return (201 if method == "POST" else 200), content, headers

    def _page(self, entries: list[Any], target: str, query: dict[str, str]) -> tuple[list[Any], dict[str, str]]:
        size = min(int(query.get("per_page", "20")), self.largest_page)
        number = int(query.get("page", "1"))
        headers = {"X-Total": str(len(entries)), "X-Page": str(number), "X-Per-Page": str(size)}
        if number * size < len(entries):
            following = urlencode({**query, "per_page": str(size), "page": str(number + 1)})
            headers["Link"] = f'<{self.url}{urlsplit(target).path}?{following}>; rel="next"'
        return entries[(number - 1) * size : number * size], headers


def _handler(gitlab: FakeGitLab) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one segment: two would wait for each other

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if ".git/" in self.path:
                self._serve_git(self.rfile.read(length))
                return
            body = json.loads(self.rfile.read(length)) if length else {}
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            token = self.headers.get("PRIVATE-TOKEN") or bearer
            code, content, headers = gitlab.answer(self.command, self.path, token, body)
            self._send(code, {**headers, "Content-Type": "application/json"}, json.dumps(content).encode())

        def _serve_git(self, body: bytes) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            _, _, basic = headers.get("authorization", "").partition("Basic ")
            if base64.b64decode(basic).decode().rpartition(":")[2] not in gitlab.state.tokens:
                self._send(401, {"WWW-Authenticate": 'Basic realm="GitLab"'}, b"")
                return
            code, said, content = gitlab.git(Request(self.command, self.path, headers, body, 0))
            with gitlab.state.lock:
                gitlab.state.received()
            self._send(code, said, content)

        def _send(self, code: int, headers: dict[str, str], data: bytes) -> None:
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815  http.server looks for these names

        def log_message(self, *arguments: object) -> None:
            """Nothing: failing tests say it."""

    return Handler
