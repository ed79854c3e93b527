"""A ServiceAccount that is deleted in the middle of a rollout, and the account that takes its place (F15).

An API server goes on taking a token for some ten seconds after its account is gone, by a memory of its own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.app.credentials import seal
from reconciler.app.keys import age_recipient, load_keys
from reconciler.app.settings import FILE_NAME, load_settings
from reconciler.approval.decision import Verb
from reconciler.doors import cluster as door
from reconciler.errors import Withdrawn
from reconciler.names import Revision
from reconciler.secret import Secret
from tests.servers.processes import wait_until
from tests.story.real_server import on_the_server
from tests.story.real_targets import RealCluster
from tests.story.real_webhooks import PATIENT, Registered, at_the_write
from tests.story.stage import RELEASE, Stage
from tests.story.test_comment_commands import say
from tests.story.test_real_admission import APPLY, blocked
from tests.story.test_real_node import RIGHTS

pytestmark = pytest.mark.real

NAME = "k8s-prod-external"
CREDENTIALS = "credentials/credentials.yaml"
ACCOUNTS = "api/v1/namespaces/default/serviceaccounts"
RBAC = "apis/rbac.authorization.k8s.io/v1"
SECONDS = 60.0


class Accounts:
    """ServiceAccounts of the API server that have a release's rights."""

    def __init__(self, target: RealCluster) -> None:
        self._target = target
        self._made: list[str] = []

    def make(self, name: str) -> str:
        """A new account; its token, by TokenRequest."""
        self._made.append(name)
        subject = {"kind": "ServiceAccount", "name": name, "namespace": "default"}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        self._target.place(ACCOUNTS, {"metadata": {"name": name}})
        self._target.place(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": RIGHTS})
        binding = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
        self._target.place(f"{RBAC}/clusterrolebindings", binding)
        asked = self._target._ask("POST", f"{ACCOUNTS}/{name}/token", {"spec": {"expirationSeconds": 3600}})
        assert asked.status_code == 201, asked.text
        return str(asked.json()["status"]["token"])

    def end(self, name: str, token: str) -> None:
        """The account is deleted; returns when its token is not taken any more."""
        self._target.delete(f"{ACCOUNTS}/{name}")
        headers = {"Authorization": f"Bearer {token}"}
        wait_until(lambda: self._target._ask("GET", "api", None, headers).status_code == 401, "a 401", SECONDS)

    def close(self) -> None:
        for name in self._made:
            self._target.delete(f"{ACCOUNTS}/{name}")
            for plural in ("clusterroles", "clusterrolebindings"):
                self._target.delete(f"{RBAC}/{plural}/{name}")


@pytest.fixture
def accounts(cluster: RealCluster) -> Iterator[Accounts]:
    made = Accounts(cluster)
    yield made
    made.close()


@pytest.fixture
def real_stage(
    tmp_path: Path,
    cluster: RealCluster,
    accounts: Accounts,
) -> Iterator[Stage]:
    """As test_real's, with an account that can be deleted."""
    cluster.account = accounts.make("first")
    with on_the_server(tmp_path, cluster) as made:
        yield made


def kubeconfig_file(stage: Stage) -> Path:
    return stage.world.home / f"{NAME}.kubeconfig"


def ended_in_the_middle(
    stage: Stage, webhook: Registered, accounts: Accounts, target: RealCluster
) -> tuple[int, Revision]:
    """A version whose account ends while its first write is on its way: the pull request, and what the merge is."""
    number = stage.propose()
    stage.approve(number)
    token = target.account
    with at_the_write(webhook, lambda: accounts.end("first", token)) as met:
        merged = stage.merge(number)
    assert met.is_set()
    assert "applied" not in stage.actions(ticket=number)
    return number, merged


@PATIENT
def test_f15_an_account_that_ends_is_waited_for_and_its_successor_finishes(
    registered: Registered,
    real_stage: Stage,
    accounts: Accounts,
    cluster: RealCluster,
) -> None:
    number, merged = ended_in_the_middle(real_stage, registered, accounts, cluster)
    state, words = real_stage.statuses(merged)[APPLY]
    assert (state, words.startswith("waits for a new credential: ")) == ("pending", True), words
    with pytest.raises(Withdrawn) as refused:
        door.test(real_stage.world.opened, NAME)
    assert "the server does not take our credential (Unauthorized)" in refused.value.message
    other = real_stage.propose({RELEASE: real_stage.release_text("v2.0.2")}, branch="meanwhile")
    [(key, words)] = blocked(real_stage, other)
    assert (key, "put a new secret where the cluster's Credential says" in words) == (refused.value.key, True)
    cluster.account = accounts.make("second")
    file = real_stage.world.home / f"{NAME}.kubeconfig"
    file.write_text(cluster.kubeconfig(), encoding="utf-8")
    real_stage.settle()
    assert real_stage.statuses(merged)[APPLY][0] == "success"
    assert (real_stage.image(), real_stage.actions(ticket=number).count("applied")) == ("v2.0.1", 1)
    assert door.test(real_stage.world.opened, NAME)["errors"] == []
    say(real_stage, other, "/reconciler preview")
    assert blocked(real_stage, other) == []


def sealed(stage: Stage, target: RealCluster) -> dict[str, str]:
    """The cluster's Credential with its secret in Git, encrypted to the reconciler."""
    recipient = age_recipient(load_keys(load_settings(stage.world.home / FILE_NAME)))
    secret, address = Secret(target.kubeconfig()), (target.endpoint,)
    armored = seal(secret, name=NAME, project="proj-alpha", addresses=address, recipient=recipient)
    indented = "".join(f"    {line}\n" for line in armored.splitlines())
    text = stage.world.example()[CREDENTIALS]
    assert f"  file: {NAME}\n" in text
    return {CREDENTIALS: text.replace(f"  file: {NAME}\n", f"  age: |\n{indented}")}


@PATIENT
def test_f15_a_sealed_credential_that_ends_is_followed_by_the_accepted_one(
    registered: Registered,
    real_stage: Stage,
    accounts: Accounts,
    cluster: RealCluster,
) -> None:
    first = real_stage.propose(sealed(real_stage, cluster), branch="sealed", author="admin")
    real_stage.approve(first)
    real_stage.merge(first)
    number, merged = ended_in_the_middle(real_stage, registered, accounts, cluster)
    state, words = real_stage.statuses(merged)[APPLY]
    assert (state, "cluster_permission_insufficient" in words) == ("error", True), words
    cluster.account = accounts.make("second")
    successor = real_stage.propose(sealed(real_stage, cluster), branch="successor", author="admin")
    assert blocked(real_stage, successor) == []
    real_stage.approve(successor)
    brought = real_stage.merge(successor)
    assert real_stage.statuses(brought)[APPLY][0] == "success"
    assert real_stage.statuses(merged)[APPLY][0] == "error"  # nobody tries it again by himself
    real_stage.desk("dev_user").order("release/svc-a", Verb.RETRY, reason="a new token")
    real_stage.settle()
    assert real_stage.statuses(merged)[APPLY][0] == "success"
    assert (real_stage.image(), real_stage.actions(ticket=number).count("applied")) == ("v2.0.1", 1)
