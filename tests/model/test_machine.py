"""The machine, run. See README.md for what it proves, what a step costs, and which guards it saw missing."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.ground import TALLY
from tests.model.machine import GateMachine
from tests.model.start import Begun

STEPS = 12


def test_no_order_of_acts_and_faults_passes_the_gate(begun: Begun, share: int, request: pytest.FixtureRequest) -> None:
    shares = int(request.config.getoption("--model-shares"))
    runs = -(-int(request.config.getoption("--model-runs")) // shares)
    seed = _seed(request.config.getoption("--model-seed"), share)
    report = _report(request.config.getoption("--model-report"), share)
    GateMachine.fresh = begun.fresh
    chosen = settings(
        max_examples=runs,
        stateful_step_count=STEPS,
        derandomize=seed is None,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    started = time.monotonic()

    def tell(outcome: str) -> None:
        found = {"outcome": outcome, "asked": runs, "seed": seed, "seconds": round(time.monotonic() - started, 1)}
        if report:
            report.write_text(json.dumps({**found, **asdict(TALLY)}, indent=1) + "\n", encoding="utf-8")

    GateMachine.ended = staticmethod(lambda: tell("under way, nothing found so far"))
    outcome = "failed"
    try:
        run_state_machine_as_test(_seeded(seed), settings=chosen)
        outcome = "passed"
    finally:
        tell(outcome)
    assert TALLY.writes > 0, "nothing ever reached a target: the machine proves nothing"


def _seed(first: str | None, share: int) -> str | None:
    """Each share has the seed after the one before it, so that it can be run alone."""
    return str(int(first or 0) + share) if first is not None or share else None


def _report(file: str | None, share: int) -> Path | None:
    path = Path(file) if file else None
    return path.with_name(f"{path.stem}-{share}{path.suffix}") if path and share else path


def _seeded(seed: str | None) -> type[GateMachine]:
    if seed is not None:
        GateMachine._hypothesis_internal_use_seed = int(seed)
    return GateMachine
