"""The names of the kinds, for those who read a document before any model is known (quick.py): nothing else is here."""

from enum import StrEnum

GROUP = "opspilot.spec/"
API_VERSION = f"{GROUP}v1"


class Kind(StrEnum):
    """The kinds, in the order in which they refer to each other."""

    SETTINGS = "Settings"
    PROJECT = "Project"
    ROLE = "Role"
    USER = "User"
    ROLE_BINDING = "RoleBinding"
    CREDENTIAL = "Credential"
    HOST = "Host"
    ENVIRONMENT = "Environment"
    CLUSTER = "Cluster"
    SERVICE = "Service"
    RELEASE = "Release"
