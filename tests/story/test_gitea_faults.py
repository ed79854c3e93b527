"""What goes wrong between us and a real Gitea: kills at every write, an API that is away, an older backup, two at once.

The same end as without: one preview comment, every effect once, and nothing applied that nobody approved.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import Unavailable
from reconciler.forges.asking import Answer, Request
from reconciler.forges.sending import Sender
from reconciler.names import Revision
from tests.servers.forge import GiteaServer
from tests.story.clock import MovableClock
from tests.story.gitea_people import BOT, GiteaWorld, Site
from tests.story.stage import RELEASE, Stage

pytestmark = pytest.mark.real

PREVIEW = "reconciler:preview"
WRITES = 4  # to the cluster, in a run that nothing disturbs: the parent twice, a ConfigMap, a Deployment


class Killed(BaseException):
    """The process ends here; no handler of the product sees it."""


class Reaper:
    """Kills at every write once, before or after the forge did it."""

    def __init__(self, patch: pytest.MonkeyPatch, *, after: bool) -> None:
        self.reaped: set[str] = set()
        self.on = False
        self._after = after
        self._real: Callable[..., Answer] = Sender._once
        patch.setattr(Sender, "_once", lambda sender, *rest: self._once(sender, *rest))

    def _once(self, sender: Sender, request: Request, *rest: Any) -> Answer:
        name = f"{request.method} {request.what}: {(request.body or {}).get('state', '')}"
        if request.reads or not self.on or name in self.reaped:
            return self._real(sender, request, *rest)
        self.reaped.add(name)
        if self._after:
            self._real(sender, request, *rest)
        raise Killed(name)


def lived(stage: Stage, work: Callable[[], Any]) -> Any:
    """Do it; whenever the process is killed, a new one looks until nothing changes."""
    try:
        return work()
    except Killed:
        while True:
            stage.restart()
            try:
                stage.settle()
                return None
            except Killed:
                continue


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_every_write_to_gitea_leaves_one_comment_and_one_effect(
    gitea_stage: Stage, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    stage = gitea_stage
    reaper = Reaper(monkeypatch, after=after)
    effects = stage.effects()
    reaper.on = True
    lived(stage, stage.propose)
    number = max(one.number for one in stage.world.opened.forge.open_pull_requests())
    lived(stage, lambda: stage.approve(number))
    lived(stage, lambda: stage.merge(number))
    reaper.on = False
    stage.settle()
    assert len(reaper.reaped) >= 8, reaper.reaped
    comments = [one.body for one in stage.world.opened.forge.comments(number) if one.author == BOT]
    assert len([one for one in comments if PREVIEW in one]) == 1
    assert stage.image() == "v2.0.1"
    assert stage.effects() - effects == WRITES
    merged = stage.pull(number).merge_commit
    assert merged is not None
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"


def test_while_the_api_is_away_what_was_approved_goes_on_and_is_said_later(
    gitea_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = gitea_stage
    number = stage.propose()
    stage.approve(number)
    merged = stage.merge(number, settle=False)
    stage.world.opened.mirror.sync()
    stage.world.opened.reconciler.landings.take_in(stage.tip())
    (waiting,) = stage.ledger.waiting.values()
    stage.world.opened.reconciler.landings.pass_or_hold(waiting, "env-k8s-prod")

    def away(_sender: Sender, request: Request, *_rest: Any) -> Answer:
        raise Unavailable(f"{request.what}: ConnectError")

    with monkeypatch.context() as patch:
        patch.setattr(Sender, "_once", away)
        for _ in range(4):
            with pytest.raises(Unavailable):  # said by every look, and counted as none that ended well
                stage.world.opened.reconciler.look()
        assert stage.image() == "v2.0.1"
    stage.settle()
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"


def test_two_reconcilers_on_one_repository_say_and_do_everything_once(gitea_stage: Stage, tmp_path: Path) -> None:
    stage = gitea_stage
    effects = stage.effects()
    other = twin(stage, tmp_path)
    try:
        number = stage.propose()
        other.reconciler.settle()
        stage.approve(number)
        other.reconciler.settle()
        merged = stage.merge(number, settle=False)
        other.reconciler.settle()
        stage.settle()
        assert stage.image() == "v2.0.1"
        assert stage.effects() - effects == WRITES
        comments = [one.body for one in stage.world.opened.forge.comments(number) if PREVIEW in one.body]
        assert len(comments) == 1
        assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"
        told = Counter(stage.actions(ticket=number, release="svc-a"))
        assert told["applying"] == told["applied"] == 1
    finally:
        other.close()


def twin(stage: Stage, folder: Path) -> Any:
    """Another process with the same keys and a state folder of its own."""
    from reconciler.app.settings import FILE_NAME, load_settings
    from reconciler.app.wiring import assemble

    home = folder / "twin"
    shutil.copytree(stage.world.home, home, ignore=shutil.ignore_patterns("cache", "run.lock"))
    return assemble(load_settings(home / FILE_NAME), stage.clock)


@pytest.fixture
def own_server(tmp_path: Path, real_gitea: GiteaServer) -> Iterator[GiteaServer]:
    """One that only this test uses, and may break."""
    with GiteaServer(tmp_path / "own-gitea") as server:
        yield server


def test_a_forge_that_came_back_from_an_older_backup_knows_no_merge_and_nothing_is_applied(
    tmp_path: Path, own_server: GiteaServer
) -> None:
    """Git kept what was pushed, the forge's records are those of before the approval: the merge is held (G17)."""
    clock = MovableClock()
    world = GiteaWorld(tmp_path / "world", clock=clock, hosts_wanted=(), site=Site(own_server))
    try:
        stage = Stage.on(world, clock)
        stage.accept_first()
        number = stage.propose()
        backup = saved(own_server)
        stage.approve(number)
        merged = stage.merge(number, settle=False)
        effects = stage.effects()
        restored(own_server, backup)
        stage.settle()
        assert stage.effects() == effects
        assert stage.image() == "v2.0.0"
        state, words = stage.statuses(merged)["reconciler/apply: env-k8s-prod"]
        assert (state, "preview_required" in words) == ("failure", True), words
    finally:
        world.close()


def saved(server: GiteaServer) -> Path:
    server.stop()
    backup = server.folder / "backup"
    backup.mkdir()
    for file in server.folder.glob("gitea.db*"):
        shutil.copy2(file, backup)
    server.start()
    return backup


def restored(server: GiteaServer, backup: Path) -> None:
    server.stop()
    for file in server.folder.glob("gitea.db*"):
        file.unlink()
    for file in backup.iterdir():
        shutil.copy2(file, server.folder)
    server.start()


HOSTILE = "<img src=x onerror=alert(1)> @approver_user [a](https://evil.example.invalid) #1 \u202etxt `x` | y"


def test_hostile_words_are_rendered_by_gitea_as_words(gitea_stage: Stage, site: Site) -> None:
    stage = gitea_stage
    files = {RELEASE: stage.release_text("v2.0.1").replace("metadata: {name: svc-a", "metadata: {name: svc-a", 1)}
    files["releases/svc-a/manifests/extra.yaml"] = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra, namespace: svc-a}\n"
        f"data: {{words: {HOSTILE!r}}}\n".replace("'", '"')
    )
    number = stage.propose(files, branch="x-$(touch${IFS}pwned)-@admin", title=HOSTILE)
    (comment,) = [one.body for one in stage.world.opened.forge.comments(number) if PREVIEW in one.body]
    assert "onerror" in comment, "the words are shown"
    shown = rendered(site, comment)
    for forbidden in ("<img", "<a ", 'class="mention', "onerror=alert(1)>", "\u202e", 'evil.example.invalid" rel'):
        assert forbidden not in shown, forbidden
    stage.approve(number)
    merged: Revision = stage.merge(number)
    assert stage.statuses(merged)["reconciler/apply: env-k8s-prod"][0] == "success"


def rendered(site: Site, text: str) -> str:
    """As Gitea shows a comment."""
    asked = {"Text": text, "Mode": "comment", "Context": f"house/{site.name}", "Wiki": False}
    return site.server.answer("POST", "/markdown", asked).text
