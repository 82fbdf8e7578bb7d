"""The look of every figure: palette, plots, the diagram of a network."""
