"""Models: nets as lists of layers, pretrained backbones, heads, tables, and the classifier these make."""
