"""Pretrained backbones: their weights, licences and input layouts."""
