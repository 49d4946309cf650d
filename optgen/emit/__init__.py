"""Printers: a file for each target, over one shared printer of expressions."""
