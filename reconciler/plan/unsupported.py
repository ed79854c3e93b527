"""Fields that specs may carry and this version does not act on: said as checks that block, never ignored in silence.

Each line goes when the feature comes. A release that is suspended is not applied, so it may carry anything.
"""

from collections.abc import Iterator

from reconciler.plan.change import Check
from reconciler.plan.part import error
from reconciler.specs.kinds import Environment, Release
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.kinds.strategy import StrategyType

OF_CHARTS = frozenset({StrategyType.ROLLING, StrategyType.RECREATE})  # nothing is renamed in what a chart renders to
HINT = "take the field out; it is read and checked already, and acted on by a later version"


def in_release(unit: str, release: Release) -> Iterator[Check]:
    """What a release asks for and would not get."""
    way = release.strategy.type
    on_compose = release.source.type is SourceKind.COMPOSE
    asked: dict[str, object] = {
        f"strategy.type: {way.value} of a chart": release.source.type is SourceKind.HELM and way not in OF_CHARTS,
        "rollback.steps": on_compose and not release.rollback.plain,
        "hooks": on_compose and release.hooks,
    }
    yield from _said(unit, asked)


def in_environment(unit: str, environment: Environment) -> Iterator[Check]:
    """What an environment asks for and would not get."""
    asked: dict[str, object] = {
        "gates": environment.gates.model_fields_set,
        "verification": environment.verification,
        "monitoring": environment.monitoring.model_fields_set,
    }
    yield from _said(unit, asked)


def _said(unit: str, asked: dict[str, object]) -> Iterator[Check]:
    for field, present in asked.items():
        if present:
            yield error(unit, "validation_error", f"{unit}: {field} is not acted on by this version", HINT)
