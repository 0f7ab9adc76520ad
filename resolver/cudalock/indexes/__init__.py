"""Everything that is queried over the network: the one package that imports httpx and unearth.

`client` is the client and `transport` what its requests go through, `pip_config` configures it,
`cache` has the folder of its cache, `parallel` queries several servers at once. `listings` reads
what an index lists, `rows` turns that into rows of the matrix, `metadata` reads what a wheel
requires, `package_index` finds a wheel, `github_releases` reads what a builder publishes,
`downloads` brings files and `digests` their hashes.
"""
