"""One look at a host: every fact, its generation and what it remembers of its last install, in one round trip.

Knows facts and the shape of installed.json. The rule: what cannot be read is said, never taken for "not installed" or
for generation 0, because both would let an older plan in.
"""

import json
import re
from datetime import timedelta
from typing import Any, Final

from reconciler.errors import Refused, Rejected
from reconciler.ssh.facts import MACHINE, Requirements, answers
from reconciler.ssh.runner import Answer, Runner, decoded
from reconciler.state.observed import InstalledBundle, ObservedHost

LOOKING: Final = timedelta(seconds=60)
INSTALLED_FIELDS: Final = ("environment", "version", "digest", "role")
INSTALLED_BYTES: Final = 4096
FACT: Final = re.compile(rb"([A-Za-z0-9+/]*={0,2}):([0-9]{1,3})")
TEXT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


def observe(runner: Runner, host: str, host_key: str, required: Requirements) -> ObservedHost:
    """The host as a value. Raises Refused where its generation cannot be read, Rejected where an answer is not ours."""
    asked = answers(required)
    commands = (MACHINE.command, *(fact.command for fact in asked.values()))
    fields: list[str | int] = [len(commands)]
    for command in commands:
        fields += (len(command), *command)
    answer = runner.ask("facts", fields, timeout=LOOKING)
    try:
        seen = [_seen(value) for value in answer.all("fact")]
        if len(seen) != len(commands):
            raise ValueError(f"{len(seen)} facts instead of {len(commands)}")
        return ObservedHost(
            host=host,
            machine_id=MACHINE.read(*seen[0]),
            host_key=host_key,
            answers={
                name: "yes" if fact.read(*one) else "no"
                for (name, fact), one in zip(asked.items(), seen[1:], strict=True)
            },
            installed=read_installed(answer.content("installed")),
            generation=_generation(runner, answer),
        )
    except ValueError as error:
        raise runner.misread("facts", error) from error


def write_installed(installed: InstalledBundle) -> str:
    """The record as the host keeps it."""
    record = {name: getattr(installed, name) for name in INSTALLED_FIELDS} | {"generation": installed.generation}
    text = json.dumps(record, sort_keys=True) + "\n"
    try:
        read_installed(text.encode())
    except ValueError as error:
        raise Rejected(f"recording an install: it would not be read back: {error}", key="validation_error") from error
    return text


def read_installed(content: bytes) -> InstalledBundle | None:
    """The record, or None where the host has none. Raises ValueError where it is not exactly of our shape."""
    if not content:
        return None
    if len(content) > INSTALLED_BYTES:
        raise ValueError("installed.json is too large")
    try:
        record: Any = json.loads(content, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError("installed.json is not JSON as we write it") from error
    if not isinstance(record, dict) or set(record) != {*INSTALLED_FIELDS, "generation"}:
        raise ValueError("installed.json has other fields than ours")
    if not all(isinstance(record[name], str) and TEXT.fullmatch(record[name]) for name in INSTALLED_FIELDS):
        raise ValueError("installed.json holds a value that is no name")
    if type(record["generation"]) is not int or not 0 <= record["generation"] < 10**15:
        raise ValueError("installed.json holds no generation")
    return InstalledBundle(**record)


def _seen(value: bytes) -> tuple[bytes, int]:
    match = FACT.fullmatch(value)
    if match is None:
        raise ValueError("a fact is not of our shape")
    return decoded(match[1]), int(match[2])


def _generation(runner: Runner, answer: Answer) -> int:
    if answer.one("generation") == b"unreadable":
        raise Refused(
            f"looking at {runner.name}: its generation file is not a number, so an older plan cannot be told",
            key="resource_conflict",
            hint="look at OPSPILOT_ROOT/generation on the host; put back the number of the last plan on record",
        )
    return answer.whole("generation")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
