#!/bin/sh
# Answer the first-run questions of Claude Code in the agent's home.
exec python3 -P -m bot.supervisor.claude_onboarding
