"""From bare hosts to running releases, by pull request."""

__version__ = "0.1.0"
