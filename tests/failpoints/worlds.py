"""The worlds that scenes are played in."""

from collections.abc import Callable
from pathlib import Path

from reconciler.sandbox.world import World
from tests.failpoints.scenes import SETTINGS
from tests.failpoints.watched import Watched
from tests.story.clock import MovableClock


class ComposeOnly(World):
    """The example with one host alone: what installs over SSH is one environment of it."""

    def example(self) -> dict[str, str]:
        files = super().example()
        self.hosts, hosts = {}, self.hosts
        without = super().example()
        self.hosts = hosts
        documents = [one for one in files["hosts/hosts.yaml"].split("---\n") if "name: compose-1" in one]
        kept = {path: files[path] for path in ("environments/env-compose-prod.yaml", "credentials/credentials.yaml")}
        return {**without, **kept, "hosts/hosts.yaml": "".join(documents)}


class Told(World):
    """The example, and a place that is told of emergencies. Only a reconciler of `process.py` reaches it."""

    def example(self) -> dict[str, str]:
        files = super().example()
        told = f"{files[SETTINGS].rstrip()}\n  emergency: {{notify: [{{url: 'https://127.0.0.1:9/told'}}]}}\n"
        return {**files, SETTINGS: told}


class Healing(World):
    """The example with `drift: heal` in production."""

    def example(self) -> dict[str, str]:
        files = super().example()
        return {path: text.replace("drift: report", "drift: heal") for path, text in files.items()}


def make_world(kind: str) -> Callable[[Path, MovableClock], World]:
    """`plain` has no hosts, `hosts` one; in `told` somebody is told of emergencies, in `healing`
    drift is put right."""
    if kind == "told":
        return lambda folder, clock: Told(folder, clock=clock, hosts_wanted=())
    if kind == "healing":
        return lambda folder, clock: Healing(folder, clock=clock, hosts_wanted=())
    if kind == "hosts":
        return lambda folder, clock: ComposeOnly(folder, clock=clock, hosts_wanted=("compose-1",))
    return lambda folder, clock: World(folder, clock=clock, hosts_wanted=(), make_cluster=lambda _name: Watched())
