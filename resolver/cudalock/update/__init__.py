"""Update the generated half of the matrix from what its sources list.

    from_indexes, from_builders ─> Listed wheels ─> merge ─> index/*.json
    toolkits ─> cuda/*.json

`update` asks every source and puts the result in place, `files` reads and writes what is put there,
`report` shows what changed, `digests` computes the hashes that nobody publishes. Labels of new rows
(torch, CUDA, ABI) follow the rules of matrix.toml: `file_names` reads them off builders' file
names, `labels` off an index and METADATA.
"""
