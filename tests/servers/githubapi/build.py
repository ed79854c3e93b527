"""GitHub's OpenAPI document, out of the npm package in which Octokit publishes it, pinned by its digest."""

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.servers.cache import BuildFailed, build_once, cached, key_of, say

PACKAGE = "@octokit/openapi@23.0.2"
SHA512 = "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg=="
MEMBER = "package/generated/api.github.com.json"
DOCUMENT = "api.github.com.json"
LARGEST = 64 * 1024 * 1024


def github_api() -> Path:
    """The document, from the cache or fetched. Raises BuildFailed with the end of what npm said."""
    return build_once("githubapi", _key(), _build) / DOCUMENT


def github_api_cached() -> Path | None:
    return cached("githubapi", _key())


def _key() -> str:
    return key_of(PACKAGE, SHA512, MEMBER)


def _build(folder: Path) -> None:
    say(f"fetching {PACKAGE}")
    with tempfile.TemporaryDirectory() as there:
        finished = subprocess.run(
            ["npm", "pack", PACKAGE, "--ignore-scripts", "--silent", "--pack-destination", there],
            cwd=there,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        packed = list(Path(there).glob("*.tgz"))
        if finished.returncode != 0 or len(packed) != 1:
            raise BuildFailed(f"fetching {PACKAGE}: npm ended with {finished.returncode}: {finished.stderr[-2000:]}")
        digest = base64.b64encode(hashlib.sha512(packed[0].read_bytes()).digest()).decode()
        if digest != SHA512:
            raise BuildFailed(f"fetching {PACKAGE}: its digest is {digest}")
        with tarfile.open(packed[0]) as archive:
            member = archive.extractfile(MEMBER)
            if member is None:
                raise BuildFailed(f"fetching {PACKAGE}: it holds no {MEMBER}")
            (folder / DOCUMENT).write_bytes(member.read(LARGEST))
