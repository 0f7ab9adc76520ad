"""Everything that is queried over the network: the one package that imports httpx and unearth.

Who does what: `client` is the client and `transport` what its requests go through, `pip_config`
says how, `cache` where answers are kept, `parallel` asks several at once. `listings` is what an
index lists, `rows` the same as rows of the matrix, `metadata` what a wheel requires, `elf` what its
libraries link, `sources` what a source distribution states, `package_index` where a wheel is;
`github_releases`, `hugging_face` and `link_pages` what a builder publishes; `downloads` brings
files, `digests` their hashes, `osv` known vulnerabilities. `live` is the matrix with what an index
has laid over it.
"""
