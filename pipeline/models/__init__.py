"""Networks: architectures, backbones, serialization, the models that ship."""
