"""The training loop: batches, augmentation, loss, optimizer, checkpoints."""
