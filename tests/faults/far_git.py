"""The world's repository behind git's own CGI and the proxy, cut around a chosen request."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.far_cluster import Cut
from tests.faults.proxy import Proxy
from tests.git.world import Reply, Request, http_backend, serving

Wanted = Callable[[Request], bool]


def is_push(request: Request) -> bool:
    """Whether a request moves refs."""
    return request.method == "POST" and request.path.endswith("/git-receive-pack")


def is_fetch(request: Request) -> bool:
    """Whether a request brings objects; a poll does not."""
    return request.path.endswith("/git-upload-pack") and b"command=fetch" in request.body


def any_request(_request: Request) -> bool:
    return True


@dataclass(slots=True)
class FarGit:
    """`url` goes through `proxy`. `pushes` counts what the repository took, answered or not."""

    url: str
    proxy: Proxy
    serve: Callable[[Request], Reply]
    pushes: int = 0
    requests: int = 0
    _cuts: int = 0
    _losing: bool = False
    _spoiling: tuple[Callable[[bytes], bytes], Wanted] | None = None
    _fault: tuple[Cut, Wanted, int, bool] | None = None
    _refusal: Callable[[Request], Reply | None] = field(default=lambda _request: None)

    def cut_at(self, cut: Cut, number: int, wanted: Wanted = is_push, *, away: bool) -> None:
        """Cut around the wanted request of this number from now, once; `away`: and stay away until `heal`."""
        self._fault = (cut, wanted, number, away)

    def lose_every_other(self) -> None:
        """The answer of every other push is lost, until `heal`."""
        self._losing = True

    def refuse(self, refusal: Callable[[Request], Reply | None]) -> None:
        """Answer in the repository's place where the function gives a reply, until `heal`."""
        self._refusal = refusal

    def spoil(self, change: Callable[[bytes], bytes], wanted: Wanted) -> None:
        """Put the body of what is wanted through a function, until `heal`."""
        self._spoiling = (change, wanted)

    def heal(self) -> None:
        self._fault = self._spoiling = None
        self._losing = False
        self._refusal = lambda _request: None
        self.proxy.up()

    def cuts_met(self) -> int:
        """How many cuts happened since this was asked last."""
        met, self._cuts = self._cuts, 0
        return met

    def answer(self, request: Request) -> Reply:
        self.requests += 1
        refused = self._refusal(request)
        if refused is not None:
            return refused
        cut = self._due(request)
        if cut is Cut.UNHEARD:
            self.proxy.cut()
            raise ConnectionAbortedError
        reply = self.serve(request)
        self.pushes += is_push(request)
        if cut is Cut.UNANSWERED:
            self.proxy.cut()
            raise ConnectionAbortedError
        if self._spoiling is not None and self._spoiling[1](request):
            reply = (reply[0], reply[1], self._spoiling[0](reply[2]))
        if cut is Cut.TORN:
            self.proxy.cut_answer_after(len(reply[2]) // 2 + 100)  # beyond the headers
        return reply

    def _due(self, request: Request) -> Cut | None:
        if self._losing and is_push(request) and self.pushes % 2 == 0:
            self._cuts += 1
            return Cut.UNANSWERED
        if self._fault is None or not self._fault[1](request):
            return None
        cut, wanted, number, away = self._fault
        if number > 1:
            self._fault = (cut, wanted, number - 1, away)
            return None
        self._fault = None
        self._cuts += 1
        if away:
            self.proxy.close_door()
        return cut


@contextmanager
def far_git(folder: Path) -> Iterator[FarGit]:
    """Serves every repository below a folder; `url` is that of `origin.git`."""
    made: list[FarGit] = []
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(lambda request: made[0].answer(request)))
        proxy = stack.enter_context(Proxy("127.0.0.1", int(server.url.rpartition(":")[2])))
        made.append(FarGit(f"http://127.0.0.1:{proxy.port}/origin.git", proxy, http_backend(folder)))
        yield made[0]
