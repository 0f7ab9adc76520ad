"""The matrix: facts that people curate and releases that an update lists, as read-only values.

`matrix` is all of it. `facts`, `components`, `shared_files`, `namesakes` (names that mislead) and
`phrases` (the other words of sentences) read the curated half, `releases` the generated one;
`vendor` has the toolkits of CUDA, `gpus` GPUs by name, `jetpack` the systems of Jetson boards,
`images` what base images have, `containers` the images of Dockerfiles, `licenses` what METADATA
states, and `sources` is how source distributions are built. `store` finds the files, also those
that the user updated, and reads them quickly, and `overlay` is what a user lays over them.
`universe` is what the engine resolves over: a matrix, and perhaps what package indexes list beside
it.
"""
