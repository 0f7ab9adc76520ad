"""One reader for each kind of file with requirements.

`requirements`, `pyproject` (with the tables of `uv`, `poetry` and `pdm`), `setup_cfg`, `setup_py`,
`conda_env`, `pixi`, `dockerfile`, `notebook`, `python_version`; `package_list` for what is
installed.
"""
