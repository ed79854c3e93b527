"""Which tags a pattern means, which of two versions comes later, and what a release's version is called."""

import itertools

import pytest

from reconciler.names import BlobId
from reconciler.specs.kinds.release import SourceKind
from reconciler.specs.reader import Reader
from reconciler.specs.release_source import ReleaseSource
from reconciler.specs.release_versions import matching, names_of, order_of
from tests.specs.repository import Repository

# semver.org, section 11, and tags of fewer or more numbers
ASCENDING = (
    "v0.9", "1.0.0-alpha", "1.0.0-alpha.1", "v1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
    "1.0.0-rc.1", "v1.0.0", "1.0.0.1", "v1.2", "1.9.9", "V1.10.0", "v2", "v10.0.0",
)  # fmt: skip


def test_versions_are_ordered_as_semver_says() -> None:
    orders = [order_of(tag) for tag in ASCENDING]
    for (one, earlier), (other, later) in itertools.combinations(zip(ASCENDING, orders, strict=True), 2):
        assert earlier is not None, one
        assert later is not None, other
        assert earlier < later, (one, other)


def test_what_stands_before_the_first_wildcard_and_build_metadata_are_no_part_of_a_version() -> None:
    assert order_of("release-1.2.0", "release-*") == order_of("v1.2", "*")
    assert order_of("svc/v1.2.0+build.7", "svc/v*") == order_of("1.2.0")


@pytest.mark.parametrize("tag", ["latest", "v", "1.2.3.4.5", "1..2", "v1.0-", "1" * 250, "v1.0\n", "\u0661.0"])
def test_what_is_no_version_has_no_order(tag: str) -> None:
    assert order_of(tag) is None


def test_a_pattern_means_tags_in_their_own_case_and_a_star_spans_slashes() -> None:
    tags = ("v1.0", "V1.0", "v2/rc", "xv1", "v")
    assert matching("v*", tags) == ("v1.0", "v2/rc", "v")
    assert matching("v?", tags) == ()
    assert matching("v1.0", tags) == ("v1.0",)


RELEASE = """\
apiVersion: opspilot.spec/v1
kind: Release
metadata: {{name: web}}
spec: {{environment: prod, cluster: c, namespace: web, source: {{type: manifests, path: web}}{more}}}
"""


@pytest.mark.parametrize(
    ("images", "more", "expected"),
    [
        (("r:5000/app:v1", "r/b@sha256:" + "a" * 64, "plain"), "", ("sha256:" + "a" * 12, "v1")),
        (("r/app:v1@sha256:" + "a" * 64,), ", variables: {image_tag: v9}", ("v1",)),
        ((), ", images: {r/app: v3}, variables: {image_tag: v9}", ("v3",)),
        ((), ", variables: {image_tag: v9, log_level: warn, stage: x, CHART_VERSION: v7}", ("v7", "v9")),
        (("plain",), ", variables: {log_level: warn}", ()),
    ],
)
def test_a_version_is_known_by_its_images_else_by_the_variables_that_name_it(
    images: tuple[str, ...], more: str, expected: tuple[str, ...], reader: Reader
) -> None:
    (spec,) = Repository.of({"web.yaml": RELEASE.format(more=more)}).load(reader=reader).specs
    source = ReleaseSource(SourceKind.MANIFESTS, "web", (("a.yaml", BlobId("0" * 40)),), (), images)
    assert names_of(spec, source) == expected  # type: ignore[arg-type]
