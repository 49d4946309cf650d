"""The math program: types, the node, what is legal, its text, its meaning in NumPy."""
