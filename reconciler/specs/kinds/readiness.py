"""When custom resources count as ready, where their conditions do not say it: expressions, read and checked here.

Knows no cluster. Rule: kinds that this version judges by itself (workloads, claims, definitions) are nobody else's to
judge, so only custom resources can be named: their API group has a dot, and is none that Kubernetes keeps to itself.
"""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from reconciler.expression import MOST_CHARACTERS, NotAnExpression, parse
from reconciler.specs.kinds.fields import ApiGroup, ObjectKind
from reconciler.specs.kinds.model import Model, rule

JUDGED = frozenset({"apiextensions.k8s.io"})  # with a dot, and judged by state/readiness.py all the same


def _understood(text: str) -> str:
    try:
        parse(text)
    except NotAnExpression as error:
        raise rule("this expression is not understood: {why}", why=str(error)) from None
    return text


Condition = Annotated[str, StringConstraints(min_length=1, max_length=MOST_CHARACTERS), AfterValidator(_understood)]


class ReadyWhen(Model):
    """When custom resources of one kind are ready: questions to each of them, in a part of CEL."""

    group: ApiGroup = Field(description="API group of the custom resources, such as example.com.")
    kind: ObjectKind = Field(description="Kind of the custom resources, such as Database.")
    ready: Condition = Field(description="What is true of one that is ready, such as status.phase == 'Running'.")
    failed: Condition | None = Field(
        default=None, description="What is true of one that will not become ready; without it only time tells."
    )

    @model_validator(mode="after")
    def _of_others(self) -> "ReadyWhen":
        if self.group in JUDGED:
            raise rule("objects of {group} are judged by what the API server says", "group", group=self.group)
        return self
