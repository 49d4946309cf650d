"""Executes emitted modules: a folder for each target, and the cache of compiled files."""
