"""GitHub's own description of its API, fetched once into the cache."""
