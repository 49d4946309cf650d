"""The words of the runtime, as data: emitted modules, kernel sequences, launches, leaves, state."""
