"""Slack. Heavy libraries come with `bot.chat.slack.chat`, which is imported only where a token is set."""
