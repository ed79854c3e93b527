"""One value of one spec in place of another: every other character of the file stays."""

import pytest

from reconciler.errors import Refused
from reconciler.names import Revision
from reconciler.specs.kinds import Environment
from reconciler.specs.reader import Reader
from reconciler.specs.rewriting import with_revision
from reconciler.specs.spec import Spec
from tests.specs.repository import Repository

NEW = Revision("ab" * 20)
OLD = "12" * 20
HEAD = "apiVersion: opspilot.spec/v1\nkind: Environment\nmetadata: {name: prod}\n"
REST = "  runtimeType: k8s\n  mode: external_managed\n"
OTHER = HEAD.replace("prod", "dev") + "spec: {tier: dev, runtimeType: k8s, mode: external_managed}\n"
COMMENTED = f"{HEAD}spec:\n  # all\n  region: dc-1  # \u6771\n  tier: dev  # strict\n# here\n  # kind\n{REST}# end\n"
SEVERAL = f"# first\n{OTHER}---\n{HEAD}spec:\n  tier: dev\n# here\n{REST}---\n{OTHER.replace('name: dev', 'name: qa')}"

# name -> text with what stands there now, text as it is to be
CASES = {
    "replaced": (
        f'{HEAD}spec:\n  # ours\n  revision: "{OLD}"  # since May\n  tier: production\n{REST}',
        f'{HEAD}spec:\n  # ours\n  revision: "{NEW}"  # since May\n  tier: production\n{REST}',
    ),
    "without quotes before": (
        f"{HEAD}spec:\n  tier: production\n{REST}  revision: a{OLD[1:]}\n",
        f'{HEAD}spec:\n  tier: production\n{REST}  revision: "{NEW}"\n',
    ),
    "single quotes": (
        f"{HEAD}spec:\n  tier: production\n{REST}  revision: '{OLD}'",
        f'{HEAD}spec:\n  tier: production\n{REST}  revision: "{NEW}"',
    ),
    "inserted under the tier, comments stay": (
        COMMENTED.replace("# here\n", ""),
        COMMENTED.replace("# here", f'  revision: "{NEW}"'),
    ),
    "inserted at the very end": (
        f"{HEAD}spec:\n{REST}  tier: production",
        f'{HEAD}spec:\n{REST}  tier: production\n  revision: "{NEW}"\n',
    ),
    "lines that end as on Windows": (
        f"{HEAD}spec:\n{REST}  tier: production\n".replace("\n", "\r\n"),
        f'{HEAD}spec:\n{REST}  tier: production\n  revision: "{NEW}"\n'.replace("\n", "\r\n"),
    ),
    "flow style": (
        f"{HEAD}spec: {{tier: production, runtimeType: k8s, mode: external_managed}}\n",
        f'{HEAD}spec: {{revision: "{NEW}", tier: production, runtimeType: k8s, mode: external_managed}}\n',
    ),
    "the second document of a file": (
        SEVERAL.replace("# here\n", ""),
        SEVERAL.replace("# here", f'  revision: "{NEW}"'),
    ),
}


def environment(text: str, reader: Reader) -> Spec[Environment]:
    return Repository.of({"environments.yaml": text}).resolve(reader).environments["prod"]


@pytest.mark.parametrize("case", CASES)
def test_a_revision_is_set_in_quotes_and_nothing_else_changes(case: str, reader: Reader) -> None:
    before, after = CASES[case]
    changed = with_revision(before, environment(before, reader), NEW)
    assert changed == after
    assert environment(changed, reader).spec.revision == NEW


def test_a_revision_that_is_written_as_a_block_is_left_to_people(reader: Reader) -> None:
    text = f"{HEAD}spec:\n  tier: production\n{REST}  revision: >-\n    {OLD}\n"
    with pytest.raises(Refused, match="not written on one line"):
        with_revision(text, environment(text, reader), NEW)
