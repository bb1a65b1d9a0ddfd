"""What is wrong with the data: questionable labels, shortcuts, weak slices, too few of them."""
