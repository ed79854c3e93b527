"""A Cluster's change to another credential, and the end of the old one."""

from reconciler.app.credentials import seal
from reconciler.app.keys import age_recipient
from reconciler.secret import Secret
from tests.story.stage import Stage

CLUSTERS, CREDENTIALS = "clusters/clusters.yaml", "credentials/credentials.yaml"
NAME, NEXT = "k8s-prod-external", "k8s-prod-next"
TOKEN = "the-next-token"


def rotation(stage: Stage) -> dict[str, str | None]:
    """The Cluster with a new Credential, whose token the cluster takes beside the old one from now on."""
    cluster, files = stage.world.sandbox("prod"), stage.world.example()
    cluster.tokens.add(TOKEN)
    sealed = seal(
        Secret(cluster.kubeconfig(TOKEN)),
        name=NEXT,
        project="proj-alpha",
        addresses=(cluster.endpoint,),
        recipient=age_recipient(stage.world.opened.keys),
    )
    text = "".join(f"    {line}\n" for line in sealed.splitlines())
    made = f"---\napiVersion: opspilot.spec/v1\nkind: Credential\nmetadata: {{name: {NEXT}}}\nspec:\n"
    made += f'  type: kubeconfig\n  project: proj-alpha\n  addresses: ["{cluster.endpoint}"]\n  age: |\n{text}'
    return {
        CLUSTERS: files[CLUSTERS].replace(f"credential: {NAME}\n", f"credential: {NEXT}\n"),
        CREDENTIALS: files[CREDENTIALS] + made,
    }


def withdraw(stage: Stage, token: str = "") -> None:
    cluster = stage.world.sandbox("prod")
    cluster.tokens.remove(token or cluster.token)
