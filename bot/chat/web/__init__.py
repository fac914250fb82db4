"""The web platform: the page, its API and the gateway."""

from bot.chat.web.chat import WebChat

__all__ = ["WebChat"]
