"""Registry files, their paths, and changes to a file in use."""

from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from bot.domain.errors import RegistryError
from bot.registry import RegistryFile, load
from tests.registry.reading import NOON, problems


def test_paths_are_checked_on_request_and_only_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "product-a").mkdir()
    (tmp_path / "notes").write_text("")
    text = """\
        products:
          - {name: a, path: product-a}
          - {name: b, path: ./prodct-a}
          - {name: c, path: notes}
          - {name: d, path: /projects/d, runtime: box}
        runtimes: [{name: here, kind: local}, {name: box}]
        """
    file = tmp_path / "products.yaml"
    assert problems(text, file, check_paths=True) == [
        f"3:21: b: path ./prodct-a does not exist (looked in {tmp_path}). Did you mean product-a?",
        f"4:21: c: path notes is not a folder (looked in {tmp_path}). Create it, or fix the path.",
    ]
    file.write_text(dedent(text))
    assert load(file).products[0].path == str(tmp_path / "product-a")


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "products.yaml"
    with pytest.raises(RegistryError, match=r"File not found. Create one with: fleet init"):
        load(file)
    with pytest.raises(RegistryError, match="Cannot read the file: Is a directory"):
        load(tmp_path)
    file.write_bytes(b"products: []\n# caf\xe9\n")
    with pytest.raises(RegistryError, match=r"products.yaml:2:6: Byte 0xE9 is not valid UTF-8. Save the file as UTF-8."):
        load(file)
    file.write_bytes("\ufeffproducts: []\r\n".encode())
    assert load(file).products == ()


class Followed:
    """A registry file that is edited, with a log of its callbacks."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "products.yaml"
        self.heard: list[tuple[int, int]] = []
        self.minute = 0
        self.write("products: [{name: a, path: a}]")
        self.file = RegistryFile(self.path, on_change=self.hear, clock=lambda: NOON + timedelta(minutes=self.minute))

    def hear(self, file: RegistryFile) -> None:
        self.heard.append((len(file.current.products), len(file.problems)))

    def write(self, text: str) -> None:
        """Replace the file, as editors do."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)

    def edit(self, text: str) -> bool:
        self.minute += 1
        self.write(text)
        return self.file.reload()


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    return Followed(tmp_path)


def test_change_is_loaded(followed: Followed) -> None:
    before = followed.file.current
    assert followed.file.reload() is False
    assert followed.edit("products: [{name: a, path: a}, {name: b, path: b}]") is True
    assert followed.file.current.names == ("a", "b")
    assert followed.file.current.loaded_at == NOON + timedelta(minutes=1)
    assert before.names == ("a",)
    assert followed.heard == [(2, 0)]


def test_invalid_change_keeps_the_last_valid_registry(followed: Followed) -> None:
    assert followed.edit("products: [{name: a}]") is False
    assert followed.file.current.names == ("a",)
    assert [str(problem) for problem in followed.file.problems] == [f"{followed.path}:1:12: a: path is missing."]
    assert followed.file.since == NOON + timedelta(minutes=1)
    assert followed.edit("products: [") is False
    assert followed.file.since == NOON + timedelta(minutes=1)
    assert followed.edit("products: []") is True
    assert not followed.file.problems
    assert followed.file.since is None
    assert followed.heard == [(1, 1), (1, 1), (0, 0)]


def test_restoring_the_text_clears_the_problems(followed: Followed) -> None:
    followed.edit("nonsense")
    followed.edit("products: [{name: a, path: a}]")
    assert followed.file.problems == ()


def test_briefly_missing_file_is_ignored(followed: Followed) -> None:
    text = followed.path.read_text()
    followed.path.unlink()
    assert followed.file.reload() is False
    assert followed.file.problems == ()
    followed.write(text)
    followed.file.reload()
    assert followed.file.problems == ()


def test_missing_file_is_reported(followed: Followed) -> None:
    followed.path.unlink()
    for _ in range(3):
        followed.file.reload()
    assert followed.file.current.names == ("a",)
    assert "File not found" in followed.file.problems[0].message
    assert followed.heard == [(1, 1)]


def test_watching_an_invalid_file_raises(tmp_path: Path) -> None:
    with pytest.raises(RegistryError):
        RegistryFile(tmp_path / "products.yaml")
