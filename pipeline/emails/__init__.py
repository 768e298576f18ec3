"""From a list as people have it to addresses worth asking: `reader` reads, `columns` finds, `address` cleans."""
