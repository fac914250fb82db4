"""Static files of the page, which the content security policy allows and whose references resolve."""

import json
import re
from importlib.resources import files

import pytest

from bot.chat.web.pages import read_files
from bot.text.wording import STATE_LABELS

STATIC = files("bot.chat.web") / "static"
PAGES = ["index.html", "gate.html", "login.html"]
SCRIPTS = sorted(each.name for each in STATIC.iterdir() if each.name.endswith(".js"))
STYLES = sorted(each.name for each in STATIC.iterdir() if each.name.endswith(".css"))


def text(name: str) -> str:
    return (STATIC / name).read_text()


@pytest.mark.parametrize("name", PAGES)
def test_page_has_no_inline_code_and_only_local_references(name: str) -> None:
    assert not re.search(r"<[^>]+\s(on\w+|style)=", text(name))
    assert not re.search(r"<script(?![^>]*\bsrc=)", text(name))
    assert "<style" not in text(name)
    assert all(each.startswith("/") for each in re.findall(r'(?:src|href|action)="([^"#]+)"', text(name)))


@pytest.mark.parametrize("name", [*PAGES, *SCRIPTS, *STYLES])
def test_file_has_no_address_of_a_third_party(name: str) -> None:
    found = set(re.findall(r"https?://[^\s\"'`)]+", text(name)))
    assert found <= {"http://www.w3.org/2000/svg"}, found


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_only_existing_files(name: str) -> None:
    for each in re.findall(r"/static/([\w.]+)", text(name)):
        assert each in read_files(), each


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_imports_only_exported_names(name: str) -> None:
    for names, module in re.findall(r'import (?:\{([^}]*)\}|\* as \w+) from "\./([\w.]+)"', text(name)):
        assert module in SCRIPTS, module
        for each in filter(None, (part.strip() for part in names.split(","))):
            assert re.search(rf"export (async )?(function|const|class) {each}\b", text(module)), f"{module}: {each}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_looks_up_only_existing_elements(name: str) -> None:
    ids = set(re.findall(r'\bid="([\w-]+)"', "".join(map(text, PAGES))))
    assert set(re.findall(r'(?:byId|getElementById)\("([\w-]+)"\)', text(name))) <= ids


@pytest.mark.parametrize("name", PAGES)
def test_every_button_has_a_name(name: str) -> None:
    for button, inside in re.findall(r"<button([^>]*)>(.*?)</button>", text(name), re.DOTALL):
        words = re.sub(r"<svg.*?</svg>|<[^>]+>|\s", "", inside)
        assert words or "aria-label=" in button, button


def test_page_uses_the_state_labels_of_every_surface() -> None:
    table = re.search(r"LABELS = (\{.*?\});", text("states.js"), re.DOTALL)
    assert table is not None
    assert json.loads(re.sub(r"(\w+):", r'"\1":', table[1]).replace(",\n}", "\n}")) == STATE_LABELS


def test_every_state_has_a_mark() -> None:
    marks = re.search(r"MARKS = \{(.*?)\};", text("states.js"), re.DOTALL)
    assert marks is not None
    assert set(re.findall(r"^  (\w+):", marks[1], re.MULTILINE)) >= set(STATE_LABELS)
