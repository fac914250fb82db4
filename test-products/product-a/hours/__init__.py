"""Adds up timesheets."""
