"""manifests/index.yaml -> the values of state/bundle.py (contracts: bundle.md), with every problem and its place.

Knows the index's fields and no file but its own text. It says what a bundle should hold; whether the files are there
and are the right ones is verify.py's question. An empty `sha256` means: not filled in yet (`reconciler bundle index`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from reconciler.bundle import checksums
from reconciler.bundle.document import Fields, parse
from reconciler.bundle.files import path_allowed
from reconciler.errors import Place, Problem
from reconciler.state.bundle import Artifact, BundleCheck, Hook, Runtime

PATH: Final = "manifests/index.yaml"
API_VERSION: Final = "opspilot.manifest/v1"
KIND: Final = "InstallBundleIndex"
RUNTIMES: Final = ("k8s", "compose")
ARTIFACT_TYPES: Final = ("binary", "image-archive", "template", "script", "checksum")
RUN_ON: Final = ("control_plane", "worker", "all", "compose_manager")
CHECK_TYPES: Final = ("cmd", "file_exists", "port_open", "ip_conflict", "subnet_match")
SEVERITIES: Final = ("error", "warning", "info")
NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
VARIABLE: Final = r"OPS_[A-Z0-9_]{1,60}"
OUTPUT: Final = r"[a-z][a-z0-9_]{0,63}"
MODE: Final = r"0[0-7][0145][0145]"  # no set-id bits, and writable by nobody but the owner
MAX_FILE_BYTES: Final = 1 << 40
MAX_TIMEOUT_SECONDS: Final = 86_400
MAX_RETRIES: Final = 10


@dataclass(frozen=True, slots=True)
class LvsVip:
    """`features.lvsVip`: what a virtual IP needs from the bundle and from the person."""

    enabled: bool
    required_artifacts: tuple[str, ...]
    required_inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """What the index says. `places` tells where a path stands, for messages about it."""

    version: str
    runtimes: tuple[Runtime, ...]
    lvs_vip: LvsVip | None
    k8s_api_min: str
    k8s_api_max: str
    kernel_min: str
    places: dict[str, Place] = field(compare=False)

    def artifacts(self) -> dict[str, Artifact]:
        """Each artifact once, by path."""
        return {artifact.path: artifact for runtime in self.runtimes for artifact in runtime.artifacts}

    def hooks(self) -> dict[str, Hook]:
        """Each hook's script once, by path."""
        return {hook.path: hook for runtime in self.runtimes for hook in runtime.hooks}

    def place(self, path: str) -> Place:
        """Where the index speaks of a path."""
        return self.places.get(path, Place(PATH))


def read_index(content: bytes) -> tuple[Index | None, list[Problem]]:
    """The index, and everything that is wrong with it; no index where anything is."""
    node, problems = parse(PATH, content)
    if node is None:
        return None, problems
    fields = Fields(PATH, node, problems)
    index = _index(fields)
    fields.close()
    problems += _cross_checks(index)
    return (None, sorted(problems)) if problems else (index, [])


def _index(fields: Fields) -> Index:
    if fields.text("apiVersion") != API_VERSION:
        fields.complain(f"only {API_VERSION} is understood", field="apiVersion", key="artifact_version_unsupported")
    fields.choice("kind", (KIND,))
    fields.text("generatedAt", r"[0-9TZ:.+-]{0,40}", default="")
    fields.choice("defaultOS", ("linux",), default="linux")
    fields.choice("defaultArch", ("amd64", "arm64"), default="amd64")
    fields.text("artifactsRoot", r"[A-Za-z0-9._/-]{1,255}", default="script/")
    fields.record("checksums", _checksums)
    fields.record("signature", _signature)
    features = fields.record("features", lambda inner: inner.record("lvsVip", _lvs_vip))
    compatibility = fields.record("compatibility", _compatibility) or ("", "", "")
    places: dict[str, Place] = {}
    return Index(
        version=fields.text("bundleVersion", NAME),
        runtimes=fields.records("runtimes", lambda inner: _runtime(inner, places)),
        lvs_vip=features,
        k8s_api_min=compatibility[0],
        k8s_api_max=compatibility[1],
        kernel_min=compatibility[2],
        places=places,
    )


def _checksums(fields: Fields) -> None:
    fields.choice("algo", ("sha256",))
    fields.choice("path", (checksums.SUMS,))


def _signature(fields: Fields) -> None:
    fields.choice("algo", ("ed25519",))
    fields.choice("path", (checksums.SIGNATURE,))
    fields.choice("pubkeyRef", (checksums.PUBLIC_KEY,))


def _lvs_vip(fields: Fields) -> LvsVip:
    return LvsVip(fields.flag("enabled"), fields.texts("requiredArtifacts"), fields.texts("requiredInputs"))


def _compatibility(fields: Fields) -> tuple[str, str, str]:
    fields.texts("notes")
    version = r"v[0-9]+\.[0-9]+\.(?:[0-9]+|x)"
    return (
        fields.text("k8sApiMin", version, default=""),
        fields.text("k8sApiMax", version, default=""),
        fields.text("requiresKernelMin", r"[0-9]+\.[0-9]+", default=""),
    )


def _runtime(fields: Fields, places: dict[str, Place]) -> Runtime:
    fields.texts("dependencies")
    lists = ("binaries", "images", "templates", "scripts")
    return Runtime(
        name=fields.choice("name", RUNTIMES),
        version=fields.text("version", NAME),
        os_arch=fields.records("supportedOSArch", lambda inner: (inner.text("os", NAME), inner.text("arch", NAME))),
        artifacts=tuple(
            artifact for name in lists for artifact in fields.records(name, lambda inner: _artifact(inner, places))
        ),
        hooks=fields.records("hooks", lambda inner: _hook(inner, places)),
        checks=fields.records("checks", _check),
    )


def _artifact(fields: Fields, places: dict[str, Place]) -> Artifact:
    return Artifact(
        id=fields.text("id", NAME),
        type=fields.choice("type", ARTIFACT_TYPES),
        path=_path(fields, places),
        sha256=fields.text("sha256", r"(?:[0-9a-f]{64})?"),
        size_bytes=fields.whole("sizeBytes", low=0, high=MAX_FILE_BYTES),
        mode=fields.text("mode", MODE),
        required=fields.flag("required"),
        description=fields.text("description", default=""),
    )


def _hook(fields: Fields, places: dict[str, Place]) -> Hook:
    hook = Hook(
        name=fields.text("name", NAME),
        path=_path(fields, places),
        timeout=timedelta(seconds=fields.whole("timeoutSeconds", low=1, high=MAX_TIMEOUT_SECONDS)),
        retryable=fields.flag("retryable"),
        max_retries=fields.whole("maxRetries", low=0, high=MAX_RETRIES),
        run_on=fields.choice("runOn", RUN_ON),
        inputs=fields.texts("inputs", VARIABLE),
        outputs=fields.texts("outputs", OUTPUT),
    )
    if hook.max_retries and not hook.retryable:
        fields.complain(f"{hook.name}: maxRetries needs retryable: true", field="maxRetries")
    return hook


def _check(fields: Fields) -> BundleCheck:
    return BundleCheck(
        id=fields.text("id", NAME),
        type=fields.choice("type", CHECK_TYPES),
        target=fields.text("target"),
        expect=fields.text("expect"),
        severity=fields.choice("severity", SEVERITIES),
        message=fields.text("message"),
    )


def _path(fields: Fields, places: dict[str, Place]) -> str:
    path = fields.text("path")
    if not path_allowed(path) or path.startswith(f"{checksums.FOLDER}/"):
        fields.complain(f"{path[:80]!r} is not a path inside a bundle", field="path")
    places.setdefault(path, fields.place("path"))
    return path


def _cross_checks(index: Index) -> Iterable[Problem]:
    yield from _twice((runtime.name for runtime in index.runtimes), "runtime")
    if not index.runtimes:
        yield _problem(Place(PATH), "runtimes: a bundle without a runtime installs nothing")
    for runtime in index.runtimes:
        yield from _twice((artifact.id for artifact in runtime.artifacts), f"{runtime.name}: artifact id")
        yield from _twice((hook.name for hook in runtime.hooks), f"{runtime.name}: hook")
        yield from _twice((check.id for check in runtime.checks), f"{runtime.name}: check id")
    yield from _disagreements(index)
    known = index.artifacts().keys() | index.hooks().keys()
    for path in index.lvs_vip.required_artifacts if index.lvs_vip else ():
        if path not in known:
            yield _problem(Place(PATH), f"features.lvsVip.requiredArtifacts: {path} is neither an artifact nor a hook")


def _disagreements(index: Index) -> Iterable[Problem]:
    """One file, named by two runtimes, must be described alike."""
    seen: dict[str, Artifact] = {}
    for runtime in index.runtimes:
        for artifact in runtime.artifacts:
            first = seen.setdefault(artifact.path, artifact)
            if (first.sha256, first.size_bytes, first.mode) != (artifact.sha256, artifact.size_bytes, artifact.mode):
                yield _problem(index.place(artifact.path), f"{artifact.path} is described in two ways")


def _twice(names: Iterable[str], what: str) -> Sequence[Problem]:
    seen: set[str] = set()
    again = {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
    return [_problem(Place(PATH), f"{what} {name} stands twice") for name in sorted(again)]


def _problem(place: Place, message: str) -> Problem:
    return Problem(place, "validation_error", message)
