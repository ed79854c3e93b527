"""A `kubectl` for the sandbox cluster: the few calls that `init --adopt` makes, each a request of a program of its own.

The real one is used against a real API server (test_adopting_real.py); this one takes the same arguments.
"""

import stat
import sys
from pathlib import Path

from reconciler.sandbox.cluster import SandboxCluster

PROGRAM = """\
#!PYTHON
import base64, json, ssl, sys, urllib.request
ENDPOINT, TOKEN, CA = "ENDPOINT", "TOKEN", open("CA").read()
PATHS = {
    "deployment": "apis/apps/v1/namespaces/%s/deployments",
    "services": "api/v1/namespaces/%s/services",
    "configmaps": "api/v1/namespaces/%s/configmaps",
    "horizontalpodautoscalers": "apis/autoscaling/v2/namespaces/%s/horizontalpodautoscalers",
}
KINDS = {"Deployment": "deployment", "Service": "services", "ConfigMap": "configmaps"}


def ask(method, path, body=None, kind="application/json"):
    request = urllib.request.Request(f"{ENDPOINT}/{path}", method=method, data=body and body.encode())
    request.add_header("Authorization", f"Bearer {TOKEN}")
    request.add_header("Content-Type", kind)
    with urllib.request.urlopen(request, context=ssl.create_default_context(cadata=CA)) as answer:
        return json.load(answer)


context, verb, *rest = sys.argv[1:]
if context != "--context=prod":
    sys.exit(f"error: context {context!r} does not exist")
if (verb, rest[0]) == ("config", "view"):
    print(ENDPOINT)
    print(base64.b64encode(CA.encode()).decode())
elif verb == "get":
    namespace, what, *name = rest[1:rest.index("-o")]
    if name:
        print(json.dumps(ask("GET", PATHS[what] % namespace + f"/{name[0]}")))
    else:
        items = []
        for one in what.split(","):
            found = ask("GET", PATHS[one] % namespace)
            kind = found["kind"].removesuffix("List")
            items += [{"apiVersion": found["apiVersion"], "kind": kind, **item} for item in found["items"]]
        print(json.dumps({"kind": "List", "items": items}))
elif verb == "apply" and "--dry-run=server" in rest and "--server-side" in rest:
    import yaml

    made = []
    for body in yaml.safe_load_all(sys.stdin):
        path = PATHS[KINDS[body["kind"]]] % rest[1] + f"/{body['metadata']['name']}"
        query = "?fieldManager=reconciler&dryRun=All&force=true"
        made.append(ask("PATCH", path + query, json.dumps(body), "application/apply-patch+yaml"))
    print(json.dumps({"kind": "List", "items": made}))
else:
    sys.exit(f"error: unknown command {verb}")
"""


def installed(folder: Path, cluster: SandboxCluster) -> Path:
    """The folder to put on PATH."""
    folder.mkdir()
    (folder / "ca.pem").write_text(cluster.ca_pem)
    text = PROGRAM.replace("#!PYTHON", f"#!{sys.executable}").replace('"TOKEN"', f'"{cluster.token}"')
    text = text.replace('"ENDPOINT"', f'"{cluster.endpoint}"').replace('"CA"', f'"{folder / "ca.pem"}"')
    program = folder / "kubectl"
    program.write_text(text)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder
