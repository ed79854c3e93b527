"""What stands under a path of a tree, and what is refused there."""

from reconciler.names import BlobId
from reconciler.specs.source import TreeEntry
from reconciler.specs.tree import Tree

BLOB = BlobId("1" * 40)


def test_a_name_that_git_quotes_is_refused_where_a_source_stands_and_never_passed_over() -> None:
    tree = Tree([TreeEntry("a/x.yaml", BLOB), TreeEntry('"a/caf\\351.yaml"', BLOB), TreeEntry('"b/\\"c.yaml"', BLOB)])
    found = tree.under("a")
    assert [entry.path for entry in found.files] == ["a/x.yaml"]
    assert [(path, words) for path, words, _ in found.wrong] == [
        ('"a/caf\\351.yaml"', "this path is not one that can be used")
    ]
