"""Update the generated half of the matrix from its sources.

    from_indexes, from_builders ─> Listed wheels ─> merge ─> index/*.json
    toolkits, images ─> cuda/*.json

`update` queries every source and puts the result in place, `from_site` takes the matrix that a site
publishes, `files` reads and writes what is put there, `report` shows what changed, `digests`
computes hashes that nobody publishes. Labels of new rows (torch, CUDA, ABI) follow the rules of
matrix.toml: `file_names` reads them off builders' file names, `labels` off an index, METADATA and
what is `inside` a wheel.
"""
