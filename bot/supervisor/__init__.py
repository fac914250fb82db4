"""The supervisor, a daemon that owns the engine's processes in a runtime and serves the fleet.

    __main__      command line
    daemon        socket, lock, watched products, start and stop
    connection    one attached fleet
    operations    table of the channel's operations
    actions       operations that change a product
    queries       operations that read a product
    product       one product with its health, snapshot and rounds
    context       access to a product's folder, mail, sessions and engine commands
    restarter     restarts of a coordinator that died
    workers       starts of workers
    hooks         fixes of the hooks that the engine writes
    drivers/      one package per engine version, selected by `drivers.table`
    records/      readers of what the engine and Claude Code wrote
    adoption/     preparation of a product for the fleet, and its undo
    host/         processes, resources and orphans of the runtime
    commands      engine commands with deadline and output limit
    engine        command and version of the engine
    errors        engine messages as errors with a code and a fix
    watch         detection of changed databases
    state         facts that outlive the supervisor

It speaks `bot.supervisor.protocol` and needs only aiohttp and the standard library. `claude_onboarding` is a command of its own
for containers.
"""

VERSION = "1"
"""Version of the supervisor.

A fleet that starts one itself replaces an idle one of another version."""
