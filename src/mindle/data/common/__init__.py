"""What images and tables share: names, splits, the store of decoded rows, summaries."""
