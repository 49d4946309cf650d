"""Tools for an optimizer besides training: a file or a folder for each command."""
