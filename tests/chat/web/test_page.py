"""The page's files: what they ask of the browser is allowed, and what they load is there."""

import re
from importlib.resources import files

import pytest

from bot.chat.web.pages import read_files

STATIC = files("bot.chat.web") / "static"
PAGES = ["index.html", "gate.html", "login.html"]
SCRIPTS = sorted(each.name for each in STATIC.iterdir() if each.name.endswith(".js"))


def text(name: str) -> str:
    return (STATIC / name).read_text()


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(name: str) -> None:
    assert not re.search(r"<[^>]+\s(on\w+|style)=", text(name))
    assert not re.search(r"<script(?![^>]*\bsrc=)", text(name))
    assert "<style" not in text(name)
    assert all(each.startswith("/") for each in re.findall(r'(?:src|href|action)="([^"#]+)"', text(name)))


@pytest.mark.parametrize("name", [*PAGES, *SCRIPTS, "style.css", "gate.css"])
def test_no_third_party_is_asked(name: str) -> None:
    found = set(re.findall(r"https?://[^\s\"'`)]+", text(name)))
    assert found <= {"http://www.w3.org/2000/svg"}, found


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_loads_is_there(name: str) -> None:
    for each in re.findall(r"/static/([\w.]+)", text(name)):
        assert each in read_files(), each


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_script_imports_is_there_and_exported(name: str) -> None:
    for names, module in re.findall(r'import (?:\{([^}]*)\}|\* as \w+) from "\./([\w.]+)"', text(name)):
        assert module in SCRIPTS, module
        for each in filter(None, (part.strip() for part in names.split(","))):
            assert re.search(rf"export (async )?(function|const|class) {each}\b", text(module)), f"{module}: {each}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_elements_that_scripts_look_for_are_in_the_page(name: str) -> None:
    ids = set(re.findall(r'\bid="([\w-]+)"', "".join(map(text, PAGES))))
    assert set(re.findall(r'(?:byId|getElementById)\("([\w-]+)"\)', text(name))) <= ids


@pytest.mark.parametrize("name", PAGES)
def test_every_control_of_a_page_has_a_name(name: str) -> None:
    for button, inside in re.findall(r"<button([^>]*)>(.*?)</button>", text(name), re.DOTALL):
        words = re.sub(r"<svg.*?</svg>|<[^>]+>|\s", "", inside)
        assert words or "aria-label=" in button, button
