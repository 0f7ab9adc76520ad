"""The generated half of the matrix, made anew from what its sources list.

    indexes, builders ─> Listed wheels ─> merging ─> index/*.json
    toolkits ─> cuda/*.json

`update` asks every source and puts the result in place, `files` reads and writes what is put there,
`report` tells what changed, `digesting` computes the hashes that nobody publishes.
"""
