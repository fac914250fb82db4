#!/bin/sh
# Prepares what the engine expects to find, then becomes the supervisor. Runs as the agent, never as root.
set -eu

if [ "$(id -u)" = 0 ]; then
  echo "overstory-runtime does not run as root: overstory starts no agents for root. Take the 'user: root' or '--user 0' away." >&2
  exit 1
fi

# What compose passes on without a value is empty here; the engine takes an empty key for a key.
for name in ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL; do
  eval "value=\${$name:-}"
  [ -n "$value" ] || unset "$name"
done

# The socket's folder belongs to the group that agent and bot share, and keeps everybody else out.
umask 0002

for step in /opt/fleet/claude_onboarding.sh /opt/fleet/seed_products.sh; do
  [ ! -x "$step" ] || "$step"
done

exec python3 -P -m bot.supervisor --socket "${FLEET_RUNTIME_SOCKET:-/run/fleet/supervisor.sock}" --engine=ov "$@"
