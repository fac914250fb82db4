"""The web: the page that people keep open, the API and the gateway."""

from bot.chat.web.chat import WebChat
from bot.chat.web.site import Part

__all__ = ["Part", "WebChat"]
