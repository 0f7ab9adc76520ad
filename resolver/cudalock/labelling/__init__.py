"""Labels of new rows (torch, CUDA, ABI), by the rules of matrix.toml: `patterns` reads them off
builders' file names, `labels` off an index and METADATA."""
