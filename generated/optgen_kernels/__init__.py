"""The stock optimizers as optgen emits them, one package for each rule."""
