"""The matrix: facts that people curate and releases that an update lists, as read-only values.

`matrix` is all of it, `facts` and `components` read the curated half, `releases` the generated one,
`sources` says how source distributions are built,
`vendor` NVIDIA's tables; `store` finds the files, also those that the user updated, and reads them
quickly. `universe` is what the engine resolves over: a matrix, and perhaps what package indexes
list beside it.
"""
