"""Where the adapter finds a project, from what reconciler.toml says: GitLab has groups below groups, and may itself lie
below a path of its host."""

from pathlib import Path

import pytest

from reconciler.app.clock import SystemClock
from reconciler.approval.persons import ForgeKind
from reconciler.forges.gitlab.forge import GitLabForge
from reconciler.forges.opening import Opening, open_forge
from reconciler.git.mirror import Mirror
from reconciler.git.remote import Remote
from reconciler.git.transport import Transport
from reconciler.secret import Secret


@pytest.mark.parametrize(
    ("repository", "api", "root", "path"),
    [
        pytest.param(
            "https://gitlab.example.org/house/platform/desired.git",
            "",
            "https://gitlab.example.org/api/v4",
            "house/platform/desired",
            id="a group below a group",
        ),
        pytest.param(
            "git@gitlab.example.org:house/desired.git",
            "",
            "https://gitlab.example.org/api/v4",
            "house/desired",
            id="over SSH",
        ),
        pytest.param(
            "https://example.org/gitlab/house/desired.git",
            "https://example.org/gitlab/api/v4/",
            "https://example.org/gitlab/api/v4",
            "house/desired",
            id="below a path of its host",
        ),
    ],
)
def test_a_project_is_found_from_its_repository(
    tmp_path: Path, repository: str, api: str, root: str, path: str
) -> None:
    mirror = Mirror(tmp_path / "mirror", Remote(str(tmp_path / "origin.git")), Transport(tmp_path / "home"))
    opening = Opening(repository, api, Secret("none"), "main", "", mirror, SystemClock())
    forge = open_forge(ForgeKind.GITLAB, opening)
    assert isinstance(forge, GitLabForge)
    assert (forge._sender.root, forge._project.path) == (root, path)
