"""Ways back by steps as a version that trusts them carries them out: this one refuses them in the preview."""

from collections.abc import Iterator

import pytest

from reconciler.plan import unsupported


@pytest.fixture(autouse=True, scope="module")
def steps_are_trusted() -> Iterator[None]:
    """In every test of the module that names this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unsupported, "NOT_YET", frozenset())
        yield
