"""LIST with all its pages: complete, or the call raises.

A server that answers consistent reads from memory (Kubernetes 1.31 and newer) does so only for a list that is asked for
whole; in pages it reads them from etcd, which takes it three times as long. Older ones are asked in pages.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final

from reconciler.errors import Unavailable
from reconciler.kube.client import Client, Request, TooLarge
from reconciler.kube.wire import MEDIA_TYPE, METADATA_ONLY, page_of
from reconciler.state.observed import Json

PAGE: Final = 500
MAX_PAGES: Final = 400


def list_all(client: Client, path: str, query: Mapping[str, str], what: str, *, whole: bool = False) -> list[Json]:
    """Every item, with `apiVersion` and `kind` put back; `whole`: in one answer where that is not too large. Raises
    Unavailable where pages have no end or no measure."""
    metered = client.metered()
    if whole:
        try:
            page = metered.get(path, what, query)
        except TooLarge:
            pass
        else:
            if not _token(page):
                return list(_items(page))
    return [item for page in _pages(metered, path, query, what) for item in _items(page)]


def list_metadata(client: Client, path: str, query: Mapping[str, str], what: str) -> list[bytes] | None:
    """The metadata of every item, in protobuf; None where the server gives no such list, or not in one answer."""
    try:
        answer = client.ask(Request("GET", path, what, query, accept=METADATA_ONLY))
    except TooLarge:
        return None
    if answer.status != HTTPStatus.OK or not answer.content_type.startswith(MEDIA_TYPE):
        return None
    page = page_of(answer.data)
    return None if page.token else page.items


def _pages(client: Client, path: str, query: Mapping[str, str], what: str) -> Iterator[Json]:
    token = ""
    for _ in range(MAX_PAGES):
        page = client.get(path, what, {**query, "limit": str(PAGE), **({"continue": token} if token else {})})
        yield page
        token = _token(page)
        if not token:
            return
    raise Unavailable(f"{what}: more than {MAX_PAGES * PAGE} objects", key="cluster_connect_failed")


def _token(page: Json) -> str:
    return page.get("metadata", {}).get("continue") or ""


def _items(page: Json) -> Iterator[Json]:
    kind = page["kind"].removesuffix("List")
    for item in page.get("items") or ():
        yield {**item, "apiVersion": page["apiVersion"], "kind": kind}
