"""Where the forge's token comes from, and what is refused as one before anything is sent (F15)."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.app.clock import SystemClock
from reconciler.app.forge_token import token_source
from reconciler.app.settings import Settings
from reconciler.doors.health import examine
from reconciler.doors.reading import Where
from reconciler.errors import Refused

VARIABLE = "A_TOKEN_OF_A_TEST"
SETTINGS = Settings(repository="https://127.0.0.1:1/house/desired", forge="gitea", token_variable=VARIABLE)


@pytest.mark.parametrize("text", ["tök-of-ours", "two words-of-ours", "tok-of-ours\n", "‘tok-of-ours’"])
def test_f15_what_no_header_carries_is_refused_by_its_variable_and_never_told(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(Refused, match=VARIABLE) as refused:
        token_source(SETTINGS, SystemClock())
    assert refused.value.key == "permission_denied"
    assert VARIABLE in refused.value.hint()
    assert "of-ours" not in f"{refused.value}{refused.value.hint()}{refused.value.__context__}"


def test_a_token_is_taken_as_it_is_and_an_empty_one_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "glpat-0_A.b/c+d=")
    found = token_source(SETTINGS, SystemClock())
    assert found is not None
    assert found.token().reveal() == "glpat-0_A.b/c+d="
    monkeypatch.setenv(VARIABLE, "")
    assert token_source(SETTINGS, SystemClock()) is None
    assert token_source(replace(SETTINGS, token_variable=""), SystemClock()) is None


def test_doctor_says_it_in_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, "tök-of-ours")
    path = tmp_path / "reconciler.toml"
    path.write_text(
        f'repository = "http://127.0.0.1:1/house/desired"\nforge = "gitea"\ntoken_variable = "{VARIABLE}"\n'
    )
    told = str(examine(Where(config=path))["checks"])
    assert f"reading the token in {VARIABLE}" in told
    assert "of-ours" not in told
