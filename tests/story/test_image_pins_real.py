"""The story of a pinned image with a real registry, as the operator's settings name it: TLS, a CA, a password."""

import pytest

from reconciler.app.settings import FILE_NAME
from reconciler.doors.health import examine
from reconciler.doors.reading import Where
from tests.servers.registry.server import PASSWORD, USER, RegistryServer
from tests.story.stage import Stage
from tests.story.test_image_pins import HOST, NAME, live, plan, released, tagged

pytestmark = pytest.mark.real


def test_what_was_pushed_is_shown_applied_kept_and_returned_to(stage: Stage, real_registry: RegistryServer) -> None:
    password = stage.world.home / "registry-password"
    password.touch(mode=0o600)
    password.write_text(f"{PASSWORD}\n")
    path = stage.world.home / FILE_NAME
    lines = (
        f'[registries."{HOST}"]',
        f'url = "https://{real_registry.host}"',
        f'ca_file = "{real_registry.ca_file}"',
        f'username = "{USER}"',
        'password_file = "registry-password"',
    )
    path.write_text("\n".join((path.read_text(), *lines)))
    stage.restart()
    found = {one["name"]: one for one in examine(Where(config=path))["checks"]}
    assert found[f"registry {HOST}"]["status"] == "ok"
    assert PASSWORD not in str(examine(Where(config=path)))
    missing = stage.propose(branch="too-early")
    assert [check.key for check in plan(stage, missing).blocked] == ["artifact_missing"]
    first = real_registry.push(NAME, "v2.0.1", "one", index=True)
    released(stage, "v2.0.1")
    assert live(stage) == tagged("v2.0.1", first)
    second = real_registry.push(NAME, "v2.0.2", "two", index=True)
    released(stage, "v2.0.2")
    assert live(stage) == tagged("v2.0.2", second)
    real_registry.push(NAME, "v2.0.1", "another", index=True)
    stage.restart()
    released(stage, "v2.0.1", branch="back")
    assert live(stage) == tagged("v2.0.1", first)
    assert PASSWORD not in str(list(stage.world.opened.journal.events))
