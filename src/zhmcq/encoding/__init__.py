"""Questions → token ids → prefix-tree rows → tensors and mask."""
