"""Drivers of the engine, one package per version; `table` selects one by the version that the engine prints."""
