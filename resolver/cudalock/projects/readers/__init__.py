"""One reader for each kind of file that asks for packages.

`requirements`, `pyproject` (with the tables of `uv`, `poetry` and `pdm`), `setup_cfg`, `setup_py`,
`conda_env`, `dockerfile`, `python_version`; `package_list` for what is installed.
"""
