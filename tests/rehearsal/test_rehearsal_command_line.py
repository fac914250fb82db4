"""Versions, refusals and initialisation on the command line."""

import os
from pathlib import Path

import pytest

from tests.rehearsal.driving import Product, new_product

OLD = {"REHEARSAL_DIALECT": "0.5.8"}


def test_version_selects_the_dialect(tmp_path: Path) -> None:
    product = new_product(tmp_path / "shop")
    assert product.ov("--version").out == "0.11.0 (rehearsal)\n"
    assert product.ov("--version", "--json").json["version"] == "0.11.0 (rehearsal)"
    assert product.ov("--version", **OLD).out == "overstory v0.5.8 (rehearsal)\n"
    assert product.ov("--dialect", "0.5.8", "--version").out == "overstory v0.5.8 (rehearsal)\n"
    assert "rehearsal" in product.ov("--help").out and "serve" not in product.ov("--help", **OLD).out
    assert "unknown dialect '9'" in product.ov("status", REHEARSAL_DIALECT="9").err
    product.program = "overstory"
    assert product.ov("--version").out == "0.11.0 (rehearsal)\n"


def test_uninitialised_product_is_refused(tmp_path: Path) -> None:
    product = new_product(tmp_path / "shop")
    for command in (["status"], ["mail", "list"], ["coordinator", "status"], ["serve"]):
        assert product.quickly(*command, "--json").error == "unable to open database file"
    missing = "is not an overstory project (missing .overstory/config.yaml). Run 'ov init' first."
    assert product.ov("--project", "/nope", "status", "--json").error == f"'/nope' {missing}"
    assert product.ov("status", **OLD).err == "Error: unable to open database file\n"
    outside = Product(tmp_path)
    assert outside.ov("init", "--yes", "--json").error == "overstory requires a git repository. Run 'git init' first."


def test_init_commits_only_its_files_and_overwrites_with_yes(tmp_path: Path) -> None:
    product = new_product(tmp_path / "shop")
    product.write("draft.txt", "mine")
    product.git("add", "draft.txt")
    ran = product.ov("init", "--yes", "--name", "corner-shop", "--json")
    assert ran.out.startswith('Initializing overstory for "corner-shop"') and ran.json["scaffoldCommitted"]
    assert product.git("status", "--short").strip() == "A  draft.txt"
    config = product.root / ".overstory/config.yaml"
    config.write_text("project:\n  name: mine\n")
    assert "already initialized" in product.ov("init", "--json").out and "name: mine" in config.read_text()
    assert product.ov("init", "--yes", "--json").code == 0
    assert "name: mine" not in config.read_text()


def test_parser_refusals_are_plain_text(product: Product) -> None:
    bogus = product.quickly("status", "--bogus", "--json")
    assert (bogus.code, bogus.out, bogus.err) == (1, "", "error: unknown option '--bogus'\n")
    assert "(Did you mean --headless?)" in product.quickly("sling", "t", "--no-headless").err
    typo = product.quickly("statsu", "--json")
    assert (typo.code, typo.out) == (1, "") and "Did you mean 'status'?" in typo.err
    missing = product.quickly("mail", "send", "--to", "operator", "--json")
    assert missing.error == "error: required option '--subject <text>' not specified" and missing.err
    assert product.quickly("mail", "read", "msg-x", "--json").error == "error: unknown option '--json'"
    assert product.quickly("mail", "list", "--project", ".", "--json").error == "error: unknown option '--project'"
    assert product.quickly("--project", str(product.root), "mail", "list", "--json").json["messages"] == []
    assert product.quickly("mail", "bogus", "--json").error == "error: unknown command 'bogus'"


def test_undeliverable_mail_is_refused(product: Product) -> None:
    def refused(*arguments: str) -> str:
        return product.quickly("mail", "send", "--to", "operator", "--subject", "s", "--body", "b", *arguments, "--json").error

    assert refused("--type", "plan_ready").startswith('Invalid --type "plan_ready". Must be one of: status, ')
    assert refused("--priority", "crit") == 'Invalid --priority "crit". Must be one of: low, normal, high, urgent'
    assert refused("--payload", "{oops") == "--payload must be valid JSON"
    assert "resolved to zero recipients (sender excluded)" in refused("--to", "@all")
    assert refused("--to", "@marketing").startswith('Unknown group address: "@marketing". Valid groups: @all, @builder, ')


def test_agents_in_worktrees_find_the_product(product: Product) -> None:
    product.ov("sling", "t", "--capability", "builder", "--name", "bob", "--skip-task-check")
    inside = Product(product.root / ".overstory/worktrees/bob")
    assert inside.ov("mail", "list", "--from", "bob", "--json").json["messages"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be refused as root")
def test_root_is_refused_on_request(product: Product) -> None:
    refused = product.ov("sling", "t", "--capability", "scout", "--skip-task-check", "--json", REHEARSAL_REFUSE_ROOT="1")
    assert refused.error.startswith("Cannot spawn agents as root (UID 0).")


def test_nudging_an_unknown_agent_exits_with_zero(product: Product) -> None:
    ran = product.ov("nudge", "nobody", "hello", "--json")
    assert ran.code == 0 and ran.json["delivered"] is False
    assert ran.json["reason"] == 'No active session for agent "nobody"'
