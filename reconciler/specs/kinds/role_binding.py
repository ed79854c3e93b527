"""RoleBinding: who has a role where."""

from typing import Annotated

from pydantic import Field, model_validator

from reconciler.specs.kinds.fields import Name, PersonName
from reconciler.specs.kinds.model import Model, exactly_one, rule


class Subject(Model):
    """A user or a group."""

    user: PersonName | None = Field(default=None, description="Name of a User.")
    group: Name | None = Field(default=None, description="A group that users name.")

    @model_validator(mode="after")
    def _one(self) -> "Subject":
        exactly_one({"user": self.user, "group": self.group})
        return self


class BindingScope(Model):
    """Where a role holds. Every field that is set must match; an empty scope is everywhere."""

    project: Name | None = Field(default=None, description="Only in this project.")
    team: Name | None = Field(default=None, description="Only for this team of the project.")
    environment: Name | None = Field(default=None, description="Only in this environment.")

    @model_validator(mode="after")
    def _team_of_a_project(self) -> "BindingScope":
        if self.team is not None and self.project is None:
            raise rule("a team is named together with its project", "team")
        return self


class RoleBinding(Model):
    """Who has a role where."""

    role: Name = Field(description="Name of a Role, or operator, approver or admin.")
    subjects: Annotated[tuple[Subject, ...], Field(min_length=1)] = Field(
        description="The users and groups that have the role."
    )
    scope: BindingScope = Field(description="Where the role holds; {} for everywhere.")
