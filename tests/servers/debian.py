"""What is asked of Debian: packages for this machine, and the mirror that its own apt is set up to use.

No mirror is named here: a machine behind a proxy or a local mirror already knows where its packages come from.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.servers.cache import BuildFailed, say

ETC = Path("/etc")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def apt_available() -> bool:
    return os.getuid() == 0 and shutil.which("apt-get") is not None


def install(programs_to_packages: dict[str, str]) -> None:
    """Install the package of every program that is not on this machine. Raises BuildFailed."""
    wanted = sorted({package for program, package in programs_to_packages.items() if shutil.which(program) is None})
    if not wanted:
        return
    if not apt_available():
        raise BuildFailed(f"installing {', '.join(wanted)}: it takes root and apt-get")
    say(f"installing {', '.join(wanted)}")
    run(["apt-get", "update", "-qq"], QUIET)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted], QUIET)


def mirror(etc: Path = ETC) -> str | None:
    """The address of the first source of the machine's own Debian release, or None where there is none."""
    release = _os_release(etc)
    codename = release.get("VERSION_CODENAME")
    if release.get("ID") != "debian" or codename is None:
        return None
    return next((uri for uri, suites, parts in _sources(etc / "apt") if codename in suites and "main" in parts), None)


def unpack(suite: str, packages: Sequence[str], folder: Path) -> None:
    """Download these packages of a suite and unpack them there, without a trace in the machine's own apt.

    Debian's own keys are asked for in the place where Debian keeps them. Raises BuildFailed.
    """
    address = mirror()
    if address is None:
        raise BuildFailed(f"downloading {', '.join(packages)}: this machine's apt sources name no Debian mirror")
    with tempfile.TemporaryDirectory() as private:
        place = Path(private)
        place.chmod(0o755)  # apt downloads as a user of its own
        for name in ("state/lists/partial", "cache/archives/partial", "debs"):
            (place / name).mkdir(parents=True)
        (place / "sources.list").write_text(f"deb [signed-by={KEYRING}] {address} {suite} main\n")
        own = [f"Dir::State={place}/state", f"Dir::Cache={place}/cache", "Dir::Etc::sourceparts=/dev/null"]
        own += [f"Dir::Etc::sourcelist={place}/sources.list", f"Dir::State::status={place}/status"]
        own += ["APT::Sandbox::User=root"]
        (place / "status").touch()
        apt = ["apt-get", "-qq", *(part for option in own for part in ("-o", option))]
        run([*apt, "update"], QUIET)
        run([*apt, "download", *packages], QUIET, place / "debs")
        for package in sorted((place / "debs").glob("*.deb")):
            run(["dpkg", "-x", str(package), str(folder)], {})


def run(argv: list[str], environment: dict[str, str], folder: Path | None = None) -> None:
    """Run a step of a build. Raises BuildFailed with the end of what it said."""
    finished = subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if finished.returncode != 0:
        raise BuildFailed(f"running {argv[0]}: it ended with {finished.returncode}: {finished.stdout[-1000:]}")


def _os_release(etc: Path) -> dict[str, str]:
    lines = (etc / "os-release").read_text().splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def _sources(apt: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """(address, suites, components) of each source, from both formats that sources.list(5) describes."""
    for file in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in file.read_text().split("\n\n"):
            lines = [line for line in stanza.splitlines() if line and not line.startswith("#")]
            fields = {name.lower(): value.split() for name, _, value in (line.partition(":") for line in lines)}
            if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
                for uri in fields.get("uris", []):
                    yield uri, fields.get("suites", []), fields.get("components", [])
    for file in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]:
        for line in file.read_text().splitlines() if file.exists() else ():
            words = line.partition("#")[0].split()
            if words[:1] != ["deb"]:
                continue
            words = words[1:]
            if words and words[0].startswith("["):
                closing = next(place for place, word in enumerate(words) if word.endswith("]"))
                words = words[closing + 1 :]
            if len(words) > 1:
                yield words[0], [words[1]], words[2:]
