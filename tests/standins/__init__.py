"""Servers that behave as other people's do, strictly enough to be refused by."""
