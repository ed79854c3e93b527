"""A process that reads hostile kubeconfigs, watched from inside: every audit event, in every thread.

tests/kube watches one thread for a few kinds of events; this one knows which events there may be and takes no other.
"""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.kube.kubeconfigs import CANARY, DANGEROUS, MALFORMED, TRICKS, disguised, good, hostile

# Reads kubeconfigs from stdin as JSON, and tells (key, message) or the endpoint of each, and every event meanwhile.
CHILD = """\
import json, sys
from reconciler.errors import Rejected
from reconciler.kube.kubeconfig import parse_kubeconfig

def outcome(text):
    try:
        return ["accepted", parse_kubeconfig(text).endpoint]
    except Rejected as error:
        return [error.key, error.message]

cases = json.load(sys.stdin)
outcome(cases["good"]); outcome("")   # what is imported or read lazily is so now
events, on = [], True
sys.addaudithook(lambda event, arguments: events.append(event) if on else None)
found = [outcome(text) for text in cases["hostile"]]
if cases["touch"]:
    open("/dev/null", "rb").close()
on = False
json.dump({"found": found, "events": sorted(set(events))}, sys.stdout)
"""
HARMLESS = frozenset({"object.__getattr__", "object.__setattr__", "builtins.id", "sys._getframe", "marshal.loads"})
ELSEWHERE = (
    "http://169.254.169.254", "https://metadata.google.internal@10.0.0.1", "file:///etc/passwd",
    "unix:///var/run/docker.sock",
    "https://10.0.0.1:6443#x", "https://10.0.0.1:6443?x", "ftp://10.0.0.1", "https:///x", "//10.0.0.1", "10.0.0.1:6443",
    "https://10.0.0.1:0x1", "https://[::1", "https://10.0.0.1\t", "javascript:x", "https://10.0.0.1:6443/../../x",
    "https://a b",
)  # fmt: skip
SPELLED = (
    "Exec",
    "EXEC",
    "exec ",
    " exec",
    "ex\u0435c",
    "exec\u200b",
    "token-file",
    "tokenfile",
    "include",
    "extends",
    "$ref",
)


NO_LIST: tuple[Any, ...] = (None, {}, "x", 5, [None], [[]], [{}], [{"name": "x"}], [{"name": ["x"]}])


def changed() -> Iterator[tuple[str, str]]:
    """Kubeconfigs that are good but for one thing."""
    for server in ELSEWHERE:
        root = good()
        root["clusters"][0]["cluster"]["server"] = server
        yield f"server {server}", json.dumps(root)
    for key in SPELLED:
        root = good()
        root["users"][0]["user"][key] = DANGEROUS["exec"]
        yield f"key {key!r}", json.dumps(root)
    for listed in ("clusters", "users", "contexts"):
        for value in (*NO_LIST, [good()[listed][0]] * 2):
            yield f"{listed} {value}", json.dumps(good() | {listed: value})
    for value in ("../../etc/passwd", "/etc/passwd", "@/etc/passwd", "file:///etc/passwd", "$(id)", "-", ""):
        for holder, name, key in (("clusters", "cluster", "certificate-authority-data"), ("users", "user", "token")):
            root = good()
            root[holder][0][name][key] = value if key == "token" else base64.b64encode(value.encode()).decode()
            if key != "token" or not value:  # any text is a token like any other, and never a path
                yield f"{key} {value}", json.dumps(root)
    yield "many users", json.dumps(good() | {"users": [{"name": f"u{n}", "user": {"token": "x"}} for n in range(3000)]})
    yield "a context that is not there", json.dumps(good() | {"current-context": "elsewhere"})
    yield "the kind of another file", json.dumps(good() | {"kind": "ExecCredential"})


def everything() -> dict[str, str]:
    found = dict(changed())
    found |= {what: text for what, _, text in hostile()} | dict(disguised()) | TRICKS
    return found | {what: text for what, text in MALFORMED.items() if text.isascii()}


def child(texts: list[str], *, touch: bool = False) -> Any:
    asked = json.dumps({"good": json.dumps(good()), "hostile": texts, "touch": touch})
    done = subprocess.run([sys.executable, "-c", CHILD], input=asked.encode(), capture_output=True, check=True)
    return json.loads(done.stdout)


def test_t19_no_hostile_kubeconfig_is_accepted_or_makes_its_reader_do_anything() -> None:
    texts = everything()
    seen = child(list(texts.values()))
    outcomes = dict(zip(texts, seen["found"], strict=True))
    assert len(texts) >= 300
    assert [what for what, (key, _) in outcomes.items() if key == "accepted"] == []
    assert {key for key, _ in outcomes.values()} <= {"kubeconfig_invalid", "endpoint_invalid", "certificate_invalid"}
    assert not [what for what, (_, said) in outcomes.items() if CANARY in said or not said.isprintable()]
    assert set(seen["events"]) <= HARMLESS


def test_the_child_tells_of_an_opened_file() -> None:
    assert "open" in child([], touch=True)["events"]


def test_most_of_them_are_new() -> None:
    assert len(list(changed())) >= 60
