"""Whether guarantees keep what they promise: known populations, real rows, whole streams."""
