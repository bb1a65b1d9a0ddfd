"""Networks without pretrained weights, and the layers they are made of."""
