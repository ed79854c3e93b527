"""A real Gitea on loopback, with people, tokens and repositories made through its own command line and API.

It refuses to run as root, so where the tests do, it is somebody else in a user namespace of its own. Everything that it
writes is in `folder`.
"""

import os
import secrets
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.servers.apiserver import free_ports
from tests.servers.gitea.build import BINARY, STATIC, gitea
from tests.servers.processes import Program, StartFailed, kill_escaped, wait_until

START_SECONDS = 300.0  # under 1 s on 2 idle cores
SOMEBODY = 64123  # who root is inside a user namespace of its own: no account of this machine
ADMIN = "root-admin"
RUN_USER = "gitea"

CONFIGURATION = """\
APP_NAME = tests
RUN_MODE = prod
RUN_USER = {user}
WORK_PATH = {folder}
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = http://127.0.0.1:{port}/
STATIC_ROOT_PATH = {static}
OFFLINE_MODE = true
DISABLE_SSH = true
LFS_START_SERVER = false
APP_DATA_PATH = {folder}/data
[database]
DB_TYPE = sqlite3
PATH = {folder}/gitea.db
[repository]
ROOT = {folder}/repositories
DEFAULT_BRANCH = main
[security]
INSTALL_LOCK = true
PASSWORD_HASH_ALGO = pbkdf2_v1
INTERNAL_TOKEN = {internal}
[service]
DISABLE_REGISTRATION = true
[webhook]
ALLOWED_HOST_LIST = loopback
[api]
MAX_RESPONSE_ITEMS = 5
[log]
ROOT_PATH = {folder}/log
LEVEL = Warn
[cron]
ENABLED = false
[actions]
ENABLED = false
[indexer]
ISSUE_INDEXER_TYPE = db
[oauth2]
JWT_SECRET = {secret}
"""


class GiteaServer:
    """Use as a context manager. `admin_token` may do all, and speaks for anybody (`as_`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.admin_token = ""
        self._passwords: dict[str, str] = {}  # of people that tests asked for, by login
        self._tokens: dict[tuple[str, tuple[str, ...]], str] = {}  # by login and scopes
        self._port = 0
        self._program: Program | None = None

    def __enter__(self) -> Self:
        kill_escaped()
        self._programs = gitea()
        (self._port,) = free_ports(1)
        self._write_files()
        self._run("migrate")
        made = self._run(
            *("admin", "user", "create", "--admin", "--username", ADMIN, "--email", f"{ADMIN}@example.invalid"),
            *("--password", secrets.token_hex(16), "--must-change-password=false", "--access-token"),
            *("--access-token-name", "tests", "--access-token-scopes", "all"),
        )
        self.admin_token = made.rpartition(" ")[2].strip()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Of the pages and of Git."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def api(self) -> str:
        """Of the API."""
        return f"{self.url}/api/v1"

    def start(self) -> None:
        """Same port, same content; returns when it answers."""
        environment = self._environment()
        argv = [*self._user(), self._programs / BINARY, "web", "--config", self.folder / "app.ini"]
        self._program = Program.start(argv, self.folder / "gitea.log", environment)
        wait_until(self._answers, f"Gitea at {self.url}", START_SECONDS, [self._program])

    def stop(self) -> None:
        """It crashes: open connections break."""
        if self._program is not None:
            self._program.kill()
            self._program = None

    def ask(self, method: str, path: str, body: Any = None, *, as_: str = "") -> Any:
        """One request to the API as the admin, or as anybody; its JSON. Asserts that it went well."""
        answer = self.answer(method, path, body, as_)
        assert answer.is_success, (method, path, answer.status_code, answer.text[:500])
        found = answer.headers.get("Content-Type", "").startswith("application/json")
        return answer.json() if answer.content and found else None

    def code(self, method: str, path: str, body: Any = None, *, as_: str = "") -> int:
        """The same; only how it went."""
        return self.answer(method, path, body, as_).status_code

    def answer(self, method: str, path: str, body: Any = None, as_: str = "") -> httpx.Response:
        """The same; the whole answer."""
        headers = {"Authorization": f"token {self.admin_token}", **({"Sudo": as_} if as_ else {})}
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.request(method, f"{self.api}{path}", json=body, headers=headers)

    def people(self, *names: str) -> None:
        """These people are there: whichever test asked first, each is made once."""
        for name in names:
            if name in self._passwords:
                continue
            password = secrets.token_hex(12)
            person = {
                "username": name,
                "email": f"{name}@example.invalid",
                "password": password,
                "must_change_password": False,
            }
            self.ask("POST", "/admin/users", person)
            self._passwords[name] = password

    def token(self, name: str, *scopes: str) -> str:
        """The token of a person with these scopes, made where it is not there yet."""
        self.people(name)
        if (name, scopes) not in self._tokens:
            with httpx.Client(trust_env=False, timeout=30, auth=(name, self._passwords[name])) as client:
                made = client.post(
                    f"{self.api}/users/{name}/tokens", json={"name": secrets.token_hex(4), "scopes": list(scopes)}
                )
            assert made.is_success, made.text
            self._tokens[name, scopes] = str(made.json()["sha1"])
        return self._tokens[name, scopes]

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.api}/version", trust_env=False, timeout=5).is_success
        except httpx.TransportError:
            return False

    def _write_files(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = CONFIGURATION.format(
            folder=self.folder,
            user=RUN_USER,
            port=self._port,
            static=self._programs / STATIC,
            internal=secrets.token_hex(32),
            secret=secrets.token_urlsafe(32),
        )
        (self.folder / "app.ini").write_text(text)

    def _user(self) -> list[str | Path]:
        if os.getuid() != 0:
            return []
        return ["unshare", "--user", f"--map-user={SOMEBODY}", f"--map-group={SOMEBODY}", "--"]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "USER": RUN_USER,
            "GITEA_WORK_DIR": str(self.folder),
        }

    def _run(self, *arguments: str) -> str:
        finished = subprocess.run(
            [*self._user(), self._programs / BINARY, *arguments, "--config", self.folder / "app.ini"],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if finished.returncode != 0:
            raise StartFailed(f"gitea {arguments[0]}: {(finished.stdout + finished.stderr)[-1500:]}")
        return finished.stdout.strip()
