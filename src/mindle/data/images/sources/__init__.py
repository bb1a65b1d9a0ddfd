"""Where images and their labels come from: folders, lists, archives, arrays."""
