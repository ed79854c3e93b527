"""A fetch whose answer is cut, doubled, spoiled or held back moves no ref, and the next one is right."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from tests.faults.far_git import far_git, is_fetch
from tests.git.world import git, make_world

Change = Callable[[bytes], bytes]
CHANGES: dict[str, Change] = {
    "nothing": lambda _body: b"",
    "half": lambda body: body[: len(body) // 2],
    "all but the last bytes": lambda body: body[:-3],
    "twice": lambda body: body + body,
    "a block twice": lambda body: body[:100] + body[50:],
    "a flipped bit in the pack": lambda body: body[:-60] + bytes([body[-60] ^ 1]) + body[-59:],
    "a flipped bit in the frame": lambda body: bytes([body[0] ^ 1]) + body[1:],
    "something else": lambda _body: b"<html>please log in</html>",
}


@pytest.mark.parametrize("change", CHANGES)
def test_f06_a_spoiled_answer_moves_no_ref(tmp_path: Path, change: str) -> None:
    world = make_world(tmp_path)
    first = world.clone.commit("first", README_md="hello\n")
    world.clone.push()
    with far_git(tmp_path) as far:
        mirror = Mirror(tmp_path / "mirror", Remote(far.url.replace("origin", "remote")), world.transport)
        mirror.sync()
        second = world.clone.commit("second", README_md="hello\n" * 100, other_md="x\n")
        world.clone.push()
        far.spoil(CHANGES[change], is_fetch)
        if change != "twice":  # what follows a whole pack is nobody's
            with pytest.raises(ReconcilerError):
                mirror.sync()
            assert mirror.refs() == {"refs/heads/main": first}
        far.heal()
        mirror.sync()
        assert mirror.refs() == {"refs/heads/main": second}
        git(mirror.repository.path, "fsck", "--strict")
        mirror.poller.close()
