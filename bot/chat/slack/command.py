"""The command `fleet slack-manifest`, which prints the manifest for creating the Slack app."""

import json
from argparse import ArgumentParser, Namespace

from bot.chat.slack.manifest import APP_SCOPES, SCOPES, manifest
from bot.commands import catalogue
from bot.conversation.setup import Output
from bot.domain.errors import UsageError
from bot.settings import Settings


def options(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--http", metavar="URL", help="use HTTP instead of Socket Mode: the page's public address, https://…")


def run(given: Namespace, settings: Settings) -> Output:
    """Build the manifest, with a note on each scope it asks for."""
    url: str | None = given.http
    if url is not None and not url.startswith("https://"):
        raise UsageError(f"Slack sends only to https addresses, not to {url[:80]}.", "Pass the public address, https://….")
    made = manifest(catalogue.load(), url and url.rstrip("/"))
    scopes = {**SCOPES, **({} if url else APP_SCOPES)}
    notes = tuple(f"{scope}: {reason}" for scope, reason in scopes.items())
    return Output(json.dumps(made, ensure_ascii=False, indent=2), made, notes)
