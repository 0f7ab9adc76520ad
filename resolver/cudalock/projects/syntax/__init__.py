"""The syntaxes that readers share, each with the positions of what it reads.

`text` decodes, `logical_lines` joins continued lines, `shell` splits commands, `pip_command` reads
`pip install`, `toml`, `toml_file` and `yaml` find positions, `pep508`, `poetry` and `conda` read
requirements, `markers` says what one means whatever the machine, `package_list` what lists of
packages print, `notebook` cells.
"""
