"""Project: a project and its teams."""

from pydantic import Field

from reconciler.specs.kinds.fields import Name, Text
from reconciler.specs.kinds.model import Model

DEFAULT_PROJECT = "default"  # exists, with one team of the same name, until a Project spec says otherwise
DEFAULT_TEAM = "default"


class Project(Model):
    """A project and its teams."""

    description: Text = Field(default="", description="What the project is for.")
    teams: tuple[Name, ...] = Field(default=(DEFAULT_TEAM,), description="Names of the project's teams.", min_length=1)
