"""What is loaded, what is left alone, and how much work it is."""

from pathlib import Path

import pytest

from reconciler.names import BlobId
from reconciler.specs.cache import MemoryCache, SqliteCache
from reconciler.specs.kinds import Host, Kind
from reconciler.specs.reader import Reader
from tests.specs.repository import GOOD_HOST, Repository, lines


def hosts(count: int) -> Repository:
    return Repository.of({f"hosts/{n}.yaml": GOOD_HOST.replace("web-1", f"web-{n}") for n in range(count)})


def test_a_spec_says_what_it_is_and_where_each_part_stands(reader: Reader) -> None:
    loaded = Repository.of({"a/hosts.yml": "# two documents\n---\n" + GOOD_HOST + "---\n" + GOOD_HOST}).load(
        reader=reader
    )
    assert not loaded.problems
    first, second = loaded.specs
    assert (first.kind, first.name, first.ref, first.path) == (Kind.HOST, "web-1", "Host/web-1", "a/hosts.yml")
    assert isinstance(first.spec, Host)
    assert str(first.place) == "a/hosts.yml:4:7"
    assert str(first.place_of("address")) == "a/hosts.yml:7:12"
    assert str(second.place_of("address")) == "a/hosts.yml:15:12"
    assert str(first.place_of("port")) == "a/hosts.yml:7:3"
    assert first == second


def test_a_second_load_reads_and_parses_nothing(reader: Reader, tmp_path: Path) -> None:
    for cache in (MemoryCache(), SqliteCache(tmp_path / "cache.db")):
        repository = hosts(30).add("bad.yaml", "apiVersion: opspilot.spec/v1\nkind: Hots").add("other.yaml", "a: 1")
        first = repository.load(cache, reader)
        assert (first.read, first.parsed) == (32, 31)
        repository.fetched.clear()
        second = repository.load(cache, reader)
        assert (second.read, second.parsed) == (0, 0)
        assert not repository.fetched
        assert second.specs == first.specs
        assert [spec.place for spec in second.specs] == [spec.place for spec in first.specs]
        assert second.problems == first.problems
        assert len(second.problems) == 1


def test_one_changed_file_is_one_file_parsed(reader: Reader) -> None:
    cache, repository = MemoryCache(), hosts(30)
    repository.load(cache, reader)
    loaded = repository.add("hosts/7.yaml", GOOD_HOST.replace("10.0.0.1", "10.0.0.2")).load(cache, reader)
    assert (loaded.read, loaded.parsed) == (1, 1)
    assert len(loaded.specs) == 30


def test_one_blob_under_two_paths_is_parsed_once_and_placed_twice(reader: Reader) -> None:
    text = GOOD_HOST.replace("address", "adress")
    loaded = Repository.of({"b.yaml": text, "a/c.yaml": text}).load(reader=reader)
    assert loaded.parsed == 1
    assert [str(problem.place) for problem in loaded.problems] == [
        "a/c.yaml:5:3",
        "a/c.yaml:5:3",
        "b.yaml:5:3",
        "b.yaml:5:3",
    ]
    assert [item.place.path for item in loaded.invalid] == ["a/c.yaml", "b.yaml"]


@pytest.mark.parametrize(
    "content",
    [
        b"a: [unclosed",
        b"{{ template }}\n",
        b"\xff\xfe\x00",
        b"",
        b"x" * 400_000,
        b"[" * 100_000,
        b"a: no\nb: &c 1\n",
        b"- 1\n---\n- 2",
    ],
)
def test_files_of_others_are_never_a_problem(content: bytes, reader: Reader) -> None:
    loaded = Repository.of({"chart/x.yaml": content}).load(reader=reader)
    assert not loaded.problems
    assert not loaded.unreadable
    assert loaded.parsed == 0


def test_only_yaml_files_are_read(reader: Reader) -> None:
    repository = Repository.of({"README.md": GOOD_HOST, "a.yaml.txt": GOOD_HOST, "b.json": GOOD_HOST})
    assert not repository.load(reader=reader).specs
    assert not repository.fetched


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"# opspilot.spec/\na: [unclosed", "not YAML"),
        ("# opspilot.spec/v1".encode("utf-16"), "UTF-16"),
        (GOOD_HOST.encode("utf-16-le"), "U+0000"),
        (b"\xef\xbb\xbf" + GOOD_HOST.encode(), "byte order mark"),
        (GOOD_HOST.encode() + b"#" * 300_000, "larger than 256 KiB"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (GOOD_HOST.encode() + b"\xff", "not UTF-8"),
    ],
)
def test_a_file_that_may_hold_specs_and_cannot_be_read_is_named(content: bytes, words: str, reader: Reader) -> None:
    cache = MemoryCache()
    repository = Repository.of({"x.yaml": content})
    for _ in range(2):
        loaded = repository.load(cache, reader)
        assert loaded.unreadable == ("x.yaml",)
        assert words in loaded.problems[0].message
    assert loaded.read == 0


def test_documents_before_a_syntax_error_are_still_read(reader: Reader) -> None:
    loaded = Repository.of({"x.yaml": GOOD_HOST + "---\na: [1\n---\n"}).load(reader=reader)
    assert [spec.name for spec in loaded.specs] == ["web-1"]
    assert loaded.unreadable == ("x.yaml",)
    assert loaded.problems[0].place.line >= 9


def test_links_and_submodules_are_refused_and_never_read(reader: Reader) -> None:
    repository = Repository().link("a.yaml").submodule("b.yml").link("notes.txt").submodule("vendor")
    loaded = repository.load(reader=reader)
    assert [problem.message.split(",")[0] for problem in loaded.problems] == [
        "this is a symbolic link",
        "this is a submodule",
    ]
    assert loaded.unreadable == ("a.yaml", "b.yml")
    assert not repository.fetched


@pytest.mark.parametrize(
    "path",
    [
        "../x.yaml",
        "a/../x.yaml",
        ".git/x.yaml",
        "a/.GIT/x.yaml",
        "/x.yaml",
        "a//x.yaml",
        "x\x1b[2J.yaml",
        "a\n::error::.yaml",
        '"a\\"b.yaml"',
        '"caf\\351/x.yml"',
    ],
)
def test_a_path_that_no_ordinary_commit_makes_is_refused_and_shown_harmlessly(path: str, reader: Reader) -> None:
    repository = Repository.of({path: GOOD_HOST})
    loaded = repository.load(reader=reader)
    assert not loaded.specs
    assert all(line.isprintable() for line in lines(loaded.problems))
    assert len(loaded.problems) == 1
    assert not repository.fetched


def test_a_kept_answer_that_makes_no_sense_is_asked_for_again(reader: Reader) -> None:
    class Liar(MemoryCache):
        def get_many(self, version: str, blobs: object) -> dict[BlobId, bytes]:
            lies = (b"", b"[]", b'{"specs":[["Host",1,1,"{}","{}"]],"invalid":[],"findings":[],"whole":true}', b"\xff")
            return dict(zip([entry.blob for entry in repository.entries], lies, strict=True))

    repository = hosts(4)
    loaded = repository.load(Liar(), reader)
    assert loaded.parsed == 4
    assert len(loaded.specs) == 4
    assert not loaded.problems


def test_all_problems_of_many_files_come_at_once_and_in_order(reader: Reader) -> None:
    repository = Repository.of(
        {f"{n}.yaml": "apiVersion: opspilot.spec/v1\nkind: Host\nmetadata: {name: x}\nspec: {}\n" for n in range(5)}
    )
    loaded = repository.load(reader=reader)
    assert len(loaded.problems) == 15
    assert list(loaded.problems) == sorted(loaded.problems)
