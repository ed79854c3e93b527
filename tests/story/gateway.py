"""The Gateway API as far as routes go: a definition of HTTPRoute of our own, small, and a route to svc-a.

rules and backendRefs are atomic lists, and a backend's weight, kind and group have the defaults of the real one.
"""

from typing import Any

DEFINITIONS = "apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ROUTE = "apis/gateway.networking.k8s.io/v1/namespaces/svc-a/httproutes/svc-a"
MANIFEST = "releases/svc-a/manifests/route.yaml"
TEXT = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: svc-a}
spec:
  parentRefs: [{name: outside}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /}}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [x-internal]}}]
      backendRefs: [{name: svc-a, port: 80}]
    - matches: [{path: {type: PathPrefix, value: /static}}]
      backendRefs: [{name: files, port: 80, weight: 5}]
"""


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "x-kubernetes-list-type": "atomic", "items": items}


def _text(**more: Any) -> dict[str, Any]:
    return {"type": "string", **more}


OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
BACKEND = {
    **_object(
        group=_text(default=""),
        kind=_text(default="Service"),
        name=_text(),
        namespace=_text(),
        port={"type": "integer"},
        weight={"type": "integer", "format": "int32", "default": 1, "minimum": 0, "maximum": 1_000_000},
        filters=_list(OPEN),
    ),
    "required": ["name"],
}
RULE = _object(matches=_list(OPEN), filters=_list(OPEN), backendRefs=_list(BACKEND))
SPEC = _object(parentRefs=_list(OPEN), hostnames=_list(_text()), rules=_list(RULE))
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "httproutes.gateway.networking.k8s.io",
        # the server asks for it where a group is one of its own community's
        "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in of tests"},
    },
    "spec": {
        "group": "gateway.networking.k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "HTTPRoute", "listKind": "HTTPRouteList", "plural": "httproutes", "singular": "httproute"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": _object(spec=SPEC, status=OPEN)},
            }
        ],
    },
}


def weights(route: dict[str, Any], rule: int = 0) -> dict[str, int]:
    """What a live route sends where."""
    return {one["name"]: one.get("weight", 1) for one in route["spec"]["rules"][rule]["backendRefs"]}
