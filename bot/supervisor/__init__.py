"""The supervisor: one small daemon inside a runtime that owns the engine's processes and answers bots over a socket.

    __main__   the command line: run, --attach, --check
    daemon     the socket, its lock, the products tended, what happens at start and stop
    connection one attached bot: requests in, responses and events out
    operations op name → what a product does
    product    one product: its health, its snapshot, one change at a time
    dialects   what the two versions of the engine do differently (`current` 0.11, `planning` 0.5.8)
    serve      owns the `ov serve` of one working product; it outlives the supervisor and is adopted again
    workers     starts workers; `ov sling` runs on by itself
    waker      nudges tmux coordinators until they have read what was sent
    mailbox, sessions, costs, history, plans, transcripts    read what the engine wrote, never write
    adopt      makes a product ready and takes that back; `adopt_*`: its texts, its edits, its backups, what it asks of git
    cli        runs engine commands: argv, deadline, output cap, whole process groups
    processes  trees, CPU, memory, halt and continue
    watch      sees databases change
    state      what must outlive the supervisor: adopted processes, paused products

It speaks `bot.supervisor.protocol`, and needs nothing but aiohttp and the standard library.
"""

VERSION = "1"
"""Version of the supervisor; a bot that starts one itself replaces an idle one of another version."""
