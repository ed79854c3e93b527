"""A real Gitea delivers a webhook, and the reconciler looks at once."""

from pathlib import Path

import pytest

from tests.cli.test_run import wait_until
from tests.servers.forge import GiteaServer
from tests.story.gitea_people import Site
from tests.web.gitea_served import served

pytestmark = pytest.mark.real


def test_a_real_webhook_brings_the_preview_long_before_the_next_poll(tmp_path: Path, real_gitea: GiteaServer) -> None:
    with served(tmp_path, Site(real_gitea), poll="1h", hook=True) as one:
        one.push("v2.0.1", "change")
        number = one.open("change")
        assert wait_until(lambda: any("### Preview" in text for text in one.texts(number)))
        assert one.number('reconciler_hooks_total{outcome="taken"}') >= 1
        assert one.number('reconciler_hooks_total{outcome="forged"}') == 0
        assert one.number("reconciler_open_pull_requests") == 1
