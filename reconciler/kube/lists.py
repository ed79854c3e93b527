"""LIST with all its pages: complete, or the call raises."""

from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.errors import Unavailable
from reconciler.kube.client import Client
from reconciler.state.observed import Json

PAGE: Final = 500
MAX_PAGES: Final = 400


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
