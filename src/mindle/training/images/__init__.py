"""Training on images: heads on frozen backbones, and networks."""
