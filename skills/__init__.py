"""Skills of the fleet, one module each, found by `bot.commands.catalogue.load`."""
