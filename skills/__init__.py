"""What the coordinator can do: one module for each skill, found by `bot.commands.catalogue.load`."""
