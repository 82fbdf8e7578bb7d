"""How a step runs and hands its output over."""
