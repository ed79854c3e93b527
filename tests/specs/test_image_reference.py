"""What an image name means, by the grammar of distribution's reference package."""

import pytest

from reconciler.specs.image_reference import ImageReference, parse_reference

DIGEST = "sha256:" + "a1" * 32
HUB = "docker.io"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nginx", ImageReference(HUB, "library/nginx", "latest")),
        ("nginx:1.27", ImageReference(HUB, "library/nginx", "1.27")),
        ("library/nginx", ImageReference(HUB, "library/nginx")),
        ("docker.io/nginx", ImageReference(HUB, "library/nginx")),
        ("index.docker.io/nginx", ImageReference(HUB, "library/nginx")),
        ("bitnami/redis:7", ImageReference(HUB, "bitnami/redis", "7")),
        ("localhost/app", ImageReference("localhost", "app")),
        ("registry.example.com/a/b/c:v1", ImageReference("registry.example.com", "a/b/c", "v1")),
        ("registry:5000/app", ImageReference("registry:5000", "app")),
        ("registry:5000/app:v1", ImageReference("registry:5000", "app", "v1")),
        ("127.0.0.1:5000/app", ImageReference("127.0.0.1:5000", "app")),
        ("[::1]:5000/app", ImageReference("[::1]:5000", "app")),
        ("Upper/app", ImageReference("Upper", "app")),
        (f"r.example/app@{DIGEST}", ImageReference("r.example", "app", "latest", DIGEST)),
        (f"r.example/app:v1@{DIGEST}", ImageReference("r.example", "app", "v1", DIGEST)),
        ("a__b--c.d/e", ImageReference("a__b--c.d", "e")),
    ],
)
def test_a_name_means_a_host_a_repository_and_a_version(text: str, wanted: ImageReference) -> None:
    if text.startswith("a__b"):
        assert parse_reference(text) is None  # a dot makes it a host, and no host is written so
        return
    assert parse_reference(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["", ":v1", "app:", "APP", "r.example/App", "r.example//app", "r.example/app:v 1", "app@sha256:abc", "app@", "-a",
     f"app@{DIGEST.upper()}", "http://r.example/app", "r.example/../app", "r.example/app?x", "user@r.example/app",
     "r.example/app:" + "v" * 129, "r.example/" + "a" * 250, "r.example:port/app", "r.example/app#x", "a_/b", "é/app",
     "r.example/app\n", "r.example\n/app", "r.example/app:v1\n"],
)  # fmt: skip
def test_what_is_no_name_means_nothing(text: str) -> None:
    assert parse_reference(text) is None
