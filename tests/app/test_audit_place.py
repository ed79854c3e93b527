"""`[audit]` of reconciler.toml: where the audit branch is, with which token, and who else may write it (G1, G24)."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.app.settings import AuditPlace, Settings, load_settings
from reconciler.app.wiring import audit_forge, open_audit_mirror, open_mirror
from reconciler.errors import Refused, SpecError
from reconciler.forges.gitlab.forge import GitLabForge
from tests.story.clock import MovableClock

HTTPS, VARIABLE = "https://forge.example.org/house/audit", "A_TOKEN_OF_THE_AUDIT"
ON_GITLAB = Settings(
    repository="https://forge.example.org/house/desired", forge="gitlab", audit=AuditPlace(HTTPS, VARIABLE)
)


def place(folder: Path, *lines: str, **environment: str) -> AuditPlace:
    path = folder / "reconciler.toml"
    path.write_text("\n".join((f'repository = "{HTTPS.replace("audit", "desired")}"', *lines)))
    return load_settings(path, environment).audit


def test_without_one_the_branch_is_in_the_repository_itself(tmp_path: Path) -> None:
    assert place(tmp_path) == AuditPlace() == AuditPlace("", "", shared=False)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (("shared = true",), AuditPlace(shared=True)),
        ((f'repository = "{HTTPS}"', f'token_variable = "{VARIABLE}"'), AuditPlace(HTTPS, VARIABLE)),
        (('repository = "git@forge.example.org:house/audit"',), AuditPlace("git@forge.example.org:house/audit")),
    ],
)
def test_it_is_a_table(tmp_path: Path, lines: tuple[str, ...], wanted: AuditPlace) -> None:
    assert place(tmp_path, "[audit]", *lines) == wanted


def test_a_path_is_relative_to_the_file(tmp_path: Path) -> None:
    assert place(tmp_path, "[audit]", 'repository = "audit.git"').repository == str(tmp_path / "audit.git")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        pytest.param(('audit = "https://x"',), "is a table of", id="no table"),
        pytest.param(("[audit]", 'branch = "x"'), "is a table of", id="more"),
        pytest.param(("[audit]", 'shared = "yes"'), "`audit.shared` must be of type bool", id="a word"),
        pytest.param(("[audit]", 'repository = "https://me:pass@h/o/r"'), "`audit.repository`: credentials", id="pass"),
        pytest.param(("[audit]", 'repository = "https://forge.example.org/house/desired"'), "own", id="the same"),
        pytest.param(("[audit]", f'token_variable = "{VARIABLE}"'), "over https", id="a token of nothing"),
        pytest.param(
            ("[audit]", 'repository = "git@h:o/r"', f'token_variable = "{VARIABLE}"'), "over https", id="token for ssh"
        ),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, lines: tuple[str, ...], words: str) -> None:
    with pytest.raises(SpecError, match=words) as refused:
        place(tmp_path, *lines)
    assert "pass@" not in str(refused.value)


def test_the_earlier_spelling_is_refused_and_says_the_new_one(tmp_path: Path) -> None:
    for lines, variables in ((("audit_shared = true",), {}), ((), {"RECONCILER_AUDIT_SHARED": "true"})):
        with pytest.raises(SpecError, match=r"`shared` in the table \[audit\]"):
            place(tmp_path, *lines, **variables)


def test_each_repository_is_reached_with_its_own_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(ON_GITLAB, token_variable="A_TOKEN_OF_THE_DESIRED", state=tmp_path)
    monkeypatch.setenv(VARIABLE, "of-the-audit")
    monkeypatch.setenv("A_TOKEN_OF_THE_DESIRED", "of-the-desired")
    mirror = open_mirror(settings)
    audit = open_audit_mirror(settings, mirror)
    assert (mirror.remote.url, audit.remote.url) == (settings.repository, HTTPS)
    assert mirror.remote.token is not None
    assert audit.remote.token is not None
    assert mirror.remote.token.authorization() != audit.remote.token.authorization()
    monkeypatch.delenv(VARIABLE)
    assert open_audit_mirror(settings, mirror).remote.token is None
    monkeypatch.setenv(VARIABLE, "zwei wörter")
    with pytest.raises(Refused, match=VARIABLE):
        open_audit_mirror(settings, mirror)


def test_who_may_write_it_is_asked_only_where_its_forge_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(ON_GITLAB, state=tmp_path)
    assert audit_forge(settings, MovableClock(), "") is None
    monkeypatch.setenv(VARIABLE, "of-the-audit")
    found = audit_forge(settings, MovableClock(), "")
    assert isinstance(found, GitLabForge)
    assert found._project.path == "house/audit"
    elsewhere = AuditPlace("https://another.example.org/house/audit", VARIABLE)
    assert audit_forge(replace(settings, audit=elsewhere), MovableClock(), "") is None
    assert audit_forge(replace(settings, forge="embedded"), MovableClock(), "") is None
