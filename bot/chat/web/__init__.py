"""The web platform with its page, API and gateway."""

from bot.chat.web.chat import WebChat

__all__ = ["WebChat"]
