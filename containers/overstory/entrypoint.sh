#!/bin/sh
# Prepare the engine's environment, then become the supervisor. This runs as the agent, never as root.
set -eu

if [ "$(id -u)" = 0 ]; then
  echo "overstory-runtime does not run as root, because overstory starts no agents as root. Remove 'user: root' or '--user 0'." >&2
  exit 1
fi

# compose passes variables without a value as empty strings, which the engine would take for a key.
for name in ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL; do
  eval "value=\${$name:-}"
  [ -n "$value" ] || unset "$name"
done

# The socket is for the group that agent and bot share.
umask 0002

for step in /opt/fleet/claude_onboarding.sh /opt/fleet/seed_products.sh; do
  [ ! -x "$step" ] || "$step"
done

exec python3 -P -m bot.supervisor --socket "${FLEET_RUNTIME_SOCKET:-/run/fleet/supervisor.sock}" --engine=ov "$@"
