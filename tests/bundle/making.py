"""Small bundles for tests: a folder, an index written from data, a throwaway signature."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.bundle.assemble import fill_index
from reconciler.bundle.folder import FolderBundles
from reconciler.bundle.keys import PublicKey, generate_key
from reconciler.bundle.sign import sign
from reconciler.secret import Secret
from reconciler.state.bundle import Bundle

HEAD = """\
apiVersion: opspilot.manifest/v1
kind: InstallBundleIndex
bundleVersion: {version}
checksums: {{algo: sha256, path: checksums/SHA256SUMS}}
signature: {{algo: ed25519, path: checksums/SHA256SUMS.sig, pubkeyRef: checksums/public.key}}
runtimes:
- name: k8s
  version: test
  supportedOSArch: [{{os: linux, arch: amd64}}]
"""


@dataclass(frozen=True)
class HookText:
    """A hook and how the index lists it."""

    text: str
    timeout: int = 60
    retries: int = 0
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        return f"#!/usr/bin/env bash\nset -euo pipefail\n{self.text}\n"


@dataclass(frozen=True)
class Maker:
    """A person with a signing key."""

    private: Secret
    public: PublicKey
    files: dict[str, bytes] = field(default_factory=lambda: {"bin/tool": b"tool\n"})

    @classmethod
    def new(cls) -> "Maker":
        return cls(*generate_key())

    def unsigned(self, root: Path, hooks: Mapping[str, HookText], version: str = "test-1") -> Path:
        """Write the files and an index that is filled in."""
        for path, content in (self.files | {f"hooks/{n}": h.script.encode() for n, h in hooks.items()}).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        (root / "manifests").mkdir()
        (root / "manifests/index.yaml").write_text(index_text(list(self.files), hooks, version))
        fill_index(root)
        return root

    def signed(self, root: Path, hooks: Mapping[str, HookText], version: str = "test-1") -> Path:
        """The same, signed."""
        sign(self.unsigned(root, hooks, version), self.private)
        return root

    def bundle(self, root: Path, hooks: Mapping[str, HookText], version: str = "test-1") -> Bundle:
        """The same, verified."""
        return FolderBundles([self.signed(root, hooks, version)], [str(self.public)]).load(version)


def index_text(paths: list[str], hooks: Mapping[str, HookText], version: str) -> str:
    artifacts = [
        {"id": path.replace("/", "-"), "type": "binary", "path": path, "sha256": "", "sizeBytes": 0}
        | {"mode": "0755", "required": True}
        for path in paths
    ]
    listed = [_listed(name, hook) for name, hook in hooks.items()]
    return HEAD.format(version=version) + _block("binaries", artifacts) + _block("hooks", listed)


def _listed(name: str, hook: HookText) -> dict[str, Any]:
    return {
        "name": name,
        "path": f"hooks/{name}",
        "timeoutSeconds": hook.timeout,
        "retryable": hook.retries > 0,
        "maxRetries": hook.retries,
        "runOn": "all",
        "inputs": list(hook.inputs),
        "outputs": list(hook.outputs),
    }


def _block(name: str, items: list[dict[str, Any]]) -> str:
    return f"  {name}:\n" + "".join(f"  - {json.dumps(item)}\n" for item in items) if items else f"  {name}: []\n"
