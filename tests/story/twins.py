"""A second reconciler of the same repository."""

import shutil
from pathlib import Path

from reconciler.app.settings import FILE_NAME, load_settings
from reconciler.app.wiring import Assembly, assemble
from tests.story.stage import Stage


def twin(stage: Stage, folder: Path) -> Assembly:
    """Another process with the same keys and a state folder of its own."""
    home = folder / "twin"
    shutil.copytree(stage.world.home, home, ignore=shutil.ignore_patterns("cache", "run.lock"))
    return assemble(load_settings(home / FILE_NAME), stage.clock)
