"""The web: the page that people keep open, the API and the gateway."""

from bot.chat.web.chat import WebChat

__all__ = ["WebChat"]
