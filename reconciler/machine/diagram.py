"""The rollout's table as a picture for the docs. Knows the table and Mermaid; the picture is printed, never drawn.

https://mermaid.js.org/syntax/stateDiagram.html
"""

from reconciler.machine.rollout import BETWEEN_BATCHES, TERMINAL, TRANSITIONS, Command, Event, State

Rows = list[tuple[State, Event, State, tuple[Command, ...]]]


def mermaid() -> str:
    """A state diagram of every row: event, and the commands that it gives."""
    rows: Rows = [(state, event, *row) for state, events in TRANSITIONS.items() for event, row in events.items()]
    rows += [(State.APPLYING, event, *row) for event, row in BETWEEN_BATCHES.items()]
    lines = [f"    [*] --> {State.PENDING}"]
    lines += dict.fromkeys(_line(*row) for row in rows)
    lines += [f"    {state} --> [*]" for state in State if state in TERMINAL]
    return "\n".join(["stateDiagram-v2", *lines]) + "\n"


def _line(state: State, event: Event, target: State, commands: tuple[Command, ...]) -> str:
    return f"    {state} --> {target}: {event} / {', '.join(commands)}"
