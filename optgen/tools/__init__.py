"""What a person does with an optimizer besides training: a file for each command."""
