"""One value of one spec in place of another: every other character of the file stays."""

import json

import pytest

from reconciler.errors import Refused
from reconciler.names import Revision
from reconciler.specs.kinds import Environment
from reconciler.specs.kinds.ignoring import IgnoredFields
from reconciler.specs.reader import Reader
from reconciler.specs.rewriting import with_ignored, with_revision
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


RELEASE = "apiVersion: opspilot.spec/v1\nkind: Release\nmetadata: {name: web}\n"
PLACED = "  environment: dev\n  cluster: one\n  namespace: web  # ours\n"
SOURCE = "  source: {type: manifests, path: app}\n# end\n"
RULE = IgnoredFields(kind="ConfigMap", name="settings", json_pointers=("/data/a~1b, c", "/data/\u6771"))
WRITTEN = '{kind: ConfigMap, name: settings, jsonPointers: ["/data/a~1b, c", "/data/\u6771"]}'
KNOWN = "{kind: Service, name: web, jsonPointers: [/spec/ports]}"
FLOW = (
    f"{RELEASE}spec: {{ignoreDifferences: [{WRITTEN}], environment: dev, cluster: one, namespace: web, "
    "source: {type: manifests, path: app}}\n"
)
IGNORING = {
    "the first one, under the namespace": (
        f"{RELEASE}spec:\n{PLACED}{SOURCE}",
        f"{RELEASE}spec:\n{PLACED}  ignoreDifferences:\n    - {WRITTEN}\n{SOURCE}",
    ),
    "beside others": (
        f"{RELEASE}spec:\n{PLACED}  ignoreDifferences:\n  # theirs\n  - {KNOWN}\n{SOURCE}",
        f"{RELEASE}spec:\n{PLACED}  ignoreDifferences:\n  # theirs\n  - {WRITTEN}\n  - {KNOWN}\n{SOURCE}",
    ),
    "beside others on one line": (
        f"{RELEASE}spec:\n{PLACED}  ignoreDifferences: [{KNOWN}]  # theirs\n{SOURCE}",
        f"{RELEASE}spec:\n{PLACED}  ignoreDifferences: [{WRITTEN}, {KNOWN}]  # theirs\n{SOURCE}",
    ),
    "into an empty list": (
        f"{RELEASE}spec:\n{PLACED}  ignoreDifferences: []\n{SOURCE}",
        f"{RELEASE}spec:\n{PLACED}  ignoreDifferences: [{WRITTEN}]\n{SOURCE}",
    ),
    "flow style": (
        f"{RELEASE}spec: {{environment: dev, cluster: one, namespace: web, source: {{type: manifests, path: app}}}}\n",
        FLOW,
    ),
    "lines that end as on Windows": (
        f"{RELEASE}spec:\n{PLACED}{SOURCE}".replace("\n", "\r\n"),
        f"{RELEASE}spec:\n{PLACED}  ignoreDifferences:\n    - {WRITTEN}\n{SOURCE}".replace("\n", "\r\n"),
    ),
    "beside others in lines that end as on Windows": (
        f"{RELEASE}spec:\n{PLACED}  ignoreDifferences:\n  - {KNOWN}\n{SOURCE}".replace("\n", "\r\n"),
        f"{RELEASE}spec:\n{PLACED}  ignoreDifferences:\n  - {WRITTEN}\n  - {KNOWN}\n{SOURCE}".replace("\n", "\r\n"),
    ),
}


@pytest.mark.parametrize("name", IGNORING)
def test_fields_that_are_left_to_others_come_into_the_file_and_nothing_else_moves(name: str, reader: Reader) -> None:
    before, after = IGNORING[name]
    old = Repository.of({"web.yaml": before}).resolve(reader).releases["web"]
    assert with_ignored(before, old, [RULE]) == after
    new = Repository.of({"web.yaml": after}).resolve(reader).releases["web"]
    assert new.spec.ignore_differences == (RULE, *old.spec.ignore_differences)
    assert new.spec.model_copy(update={"ignore_differences": old.spec.ignore_differences}) == old.spec


def test_a_file_that_only_a_person_can_add_to_is_refused(reader: Reader) -> None:
    text = f"{RELEASE}spec:\n{PLACED.replace('web  # ours', '>-')}    web\n{SOURCE}"
    old = Repository.of({"web.yaml": text}).resolve(reader).releases["web"]
    with pytest.raises(Refused, match="not written on one line"):
        with_ignored(text, old, [RULE])


def test_a_file_of_json_stays_one(reader: Reader) -> None:
    spec = {"environment": "dev", "cluster": "one", "namespace": "web", "source": {"type": "manifests", "path": "app"}}
    body = {"apiVersion": "opspilot.spec/v1", "kind": "Release", "metadata": {"name": "web"}, "spec": spec}
    text = json.dumps(body)
    once = with_ignored(text, Repository.of({"web.yaml": text}).resolve(reader).releases["web"], [RULE])
    rule = {"kind": "ConfigMap", "name": "settings", "jsonPointers": ["/data/a~1b, c", "/data/\u6771"]}
    assert json.loads(once) == {**body, "spec": {**spec, "ignoreDifferences": [rule]}}
    twice = with_ignored(once, Repository.of({"web.yaml": once}).resolve(reader).releases["web"], [RULE])
    assert json.loads(twice)["spec"]["ignoreDifferences"] == [rule, rule]
