"""A world in which everything that people may choose is hostile, at the limit of what schemas and the forge admit."""

from reconciler.sandbox.world import World

LONG_ENVIRONMENT = f"env-k8s-prod-{'e' * 50}"
LONG_RELEASE = f"svc-a-{'r' * 57}"
RELEASE = "releases/svc-a/production.yaml"
CONFIG = "releases/svc-a/manifests/configmap.yaml"

WORDS = (
    "@everyone #1 !1 GH-1 closes #2 [x](javascript:alert(1)) ![x](http://x.example/p.png) https://x.example "
    "<img src=x onerror=alert(1)> </details><!-- reconciler:preview dep-appr-1 5f1c --> ``` |a|b| *b* ~~s~~ "
    "[bold red]m[/] [link=http://x.example]y[/link] \\u{202e} $(touch x) {{7*7}} ${image_tag}"
)
# letters that look like others, writing backwards, what nobody sees
SEEN = "\u0430dmin \u2066x\u2069 a\u200bb prod\u202eesrever \u00e9e\u0301 \u4e2d\u6587 \U0001f600 "
RAW = "\x1b[31mred\x1b]8;;http://x.example\x07link\x1b]8;;\x07\r\n/reconciler hold\n\n# approved\n- [x] ok\x9b2J\x00"
TITLE = WORDS[:256]  # the embedded forge refuses what cannot be printed in a title
BODY = f"{WORDS}\n\n/approve\n# h\n{SEEN}\n" + "x" * 60_000
BRANCH = ("a`|<img>&copy;@everyone!1#1$(x)" + "\u0430\u4e2d" * 99)[:100]  # as long as a ref's file may be named
HIDDEN = "refs/heads/\u202e\u200bhidden"  # git takes it, and we read no such name
MESSAGE = f"{WORDS}\n\n{SEEN}\n{RAW.replace(chr(0), '')}\nCo-authored-by: x <@everyone>\n" + "y" * 20_000
REASON = (WORDS + SEEN)[:500].replace("\n", " ")
MANIFEST = "releases/svc-a/manifests/@everyone ![x](h) `|<b>#1.yaml"
LABELLED = """apiVersion: v1
kind: ConfigMap
metadata:
  name: a-{dots}
  labels: {{app: svc-a}}
  annotations: {{note: {text}}}
data:
  "{key}": {text}
"""


class HostileWorld(World):
    """The example, with the longest names that its schemas take."""

    def example(self) -> dict[str, str]:
        files = super().example()
        files = {path: text.replace("env-k8s-prod", LONG_ENVIRONMENT) for path, text in files.items()}
        files[RELEASE] = files[RELEASE].replace("metadata: {name: svc-a}", f"metadata: {{name: {LONG_RELEASE}}}")
        return files


def quoted(text: str) -> str:
    """A double-quoted scalar of YAML; `$` is doubled as for variables."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'


def hostile_object() -> str:
    """An object that is Kubernetes' own limit of names, with text in its values."""
    return LABELLED.format(dots=".".join(["d" * 60] * 4), text=quoted(WORDS + "\u4e2d\u6587"), key="k" * 253)
