"""An API server that answers without an end, or too much: a wait that ends, a size that is kept (T14, F16)."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from reconciler.errors import Unavailable
from reconciler.kube import client as client_module
from reconciler.kube.client import Request
from tests.kube.servers import Play, playing, trickling
from tests.kube.test_client import client_of

PIECES = 150  # a hundredth of a second apart; the answer is good once all of them have come
OK = "HTTP/1.1 200 OK\r\n"
CHUNKED = f"{OK}Transfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
SLOW: Mapping[str, Play] = MappingProxyType(
    {
        "its headers": trickling(OK, b"X-A: b\r\n", pieces=PIECES // 2, end=b"Content-Length: 2\r\n\r\n{}"),
        "one header": trickling(f"{OK}X-A: ", b"b", pieces=PIECES, end=b"\r\nContent-Length: 2\r\n\r\n{}"),
        "its body": trickling(f"{OK}Content-Length: {PIECES + 2}\r\n\r\n", b" ", pieces=PIECES, end=b"{}"),
        "a body without a length": trickling(f"{OK}Connection: close\r\n\r\n", b" ", pieces=PIECES, end=b"{}"),
        "its chunks": trickling(CHUNKED, b"1\r\n \r\n", pieces=PIECES, end=b"2\r\n{}\r\n" + LAST),
        "one chunk": trickling(f"{CHUNKED}{PIECES + 2:x}\r\n", b" ", pieces=PIECES, end=b"{}\r\n" + LAST),
        "a chunk's size": trickling(CHUNKED, b"0", pieces=PIECES, end=b"2\r\n{}\r\n" + LAST),
        "words beside a chunk": trickling(f"{CHUNKED}2;", b"x", pieces=PIECES, end=b"\r\n{}\r\n" + LAST),
    }
)


@pytest.mark.parametrize("play", SLOW.values(), ids=SLOW.keys())
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_f16_a_server_that_trickles_is_left_in_time(
    play: Play, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "ANSWER_SECONDS", 0.1)
    with playing(tmp_path, play) as server:
        client = client_of(server)
        with pytest.raises(Unavailable) as refused:
            client.send(Request(method, "/x", "asking x", body={"a": 1} if method == "PATCH" else None))
        client.close()
    assert refused.value.key == "cluster_connect_failed"
    assert len(server.script.heard) == 1, "it was asked again"
    assert server.script.whole == 0, "it was heard out"
