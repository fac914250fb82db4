"""Drivers of the engine, one package per version, selected by `table`."""
