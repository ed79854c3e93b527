"""Fixtures for every test: the real servers, which start only when a selected test asks for them."""

pytest_plugins = ["tests.servers.fixtures"]
