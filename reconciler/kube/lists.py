"""LIST with all its pages, and many requests at once: complete, or the call raises."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from reconciler.errors import Unavailable
from reconciler.kube.client import WORKERS, Client
from reconciler.state.observed import Json

PAGE: Final = 250
MAX_PAGES: Final = 400

T = TypeVar("T")


def list_all(client: Client, path: str, query: Mapping[str, str], what: str) -> list[Json]:
    """Every item, with `apiVersion` and `kind` put back. Raises Unavailable where pages have no end or no measure."""
    return [item for page in _pages(client.metered(), path, query, what) for item in _items(page)]


def _pages(client: Client, path: str, query: Mapping[str, str], what: str) -> Iterator[Json]:
    token = ""
    for _ in range(MAX_PAGES):
        page = client.get(path, what, {**query, "limit": str(PAGE), **({"continue": token} if token else {})})
        yield page
        token = page.get("metadata", {}).get("continue") or ""
        if not token:
            return
    raise Unavailable(f"{what}: more than {MAX_PAGES * PAGE} objects", key="cluster_connect_failed")


def _items(page: Json) -> Iterator[Json]:
    kind = page["kind"].removesuffix("List")
    for item in page.get("items") or ():
        yield {**item, "apiVersion": page["apiVersion"], "kind": kind}


def all_of(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """The results in order, several at once. The first failure is raised and what has not begun is dropped."""
    if len(tasks) <= 1:
        return [task() for task in tasks]
    with ThreadPoolExecutor(max_workers=min(WORKERS, len(tasks)), thread_name_prefix="kube") as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
