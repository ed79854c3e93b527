"""Specs as loading gives them, made of their JSON: for tests that need a desired state and no files."""

import json
from typing import Any

from reconciler.errors import Place
from reconciler.names import BlobId
from reconciler.specs.kinds import KINDS, Kind
from reconciler.specs.spec import Spec


def said(kind: Kind, name: str = "one", **body: Any) -> Spec[Any]:
    """One spec; `body` in the words of a file."""
    content = KINDS[kind].model_validate_json(json.dumps(body))
    return Spec(kind, name, {}, {}, content, Place(f"{name}.yaml", 1, 1), BlobId("0" * 40))


def environment(name: str = "dev", **body: Any) -> Spec[Any]:
    """Somebody else runs it."""
    given = {"tier": "dev", "runtimeType": "k8s", "mode": "external_managed"}
    return said(Kind.ENVIRONMENT, name, **{**given, **body})


def cluster(name: str = "one", **body: Any) -> Spec[Any]:
    """Imported into `dev`, by a credential of its own name."""
    given = {"environment": "dev", "sourceType": "external_imported", "credential": f"{name}-access"}
    return said(Kind.CLUSTER, name, **{**given, **body})


def access(name: str = "one-access", **body: Any) -> Spec[Any]:
    """A credential in a file."""
    secret = {} if "age" in body else {"file": name}
    return said(Kind.CREDENTIAL, name, **{"type": "kubeconfig", **secret, **body})


def release(name: str = "web", **body: Any) -> Spec[Any]:
    """Goes to cluster `one` of `dev`."""
    given = {"environment": "dev", "cluster": "one", "namespace": "web", "source": {"type": "manifests", "path": name}}
    return said(Kind.RELEASE, name, **{**given, **body})
