"""What a repository asks for, read from its files.

    files.read_file ─> the reader of its kind ─> declared.ProjectFile

Who does what: `files` is the one way in; `declared` is the model that every reader fills, each
entry with its place. There is a reader for each kind: `requirements_file`, `pyproject` (with
`uv_tables`, `poetry_tables`, `pdm_tables`), `setup_cfg`, `setup_py`, `environment_file`,
`dockerfile`, `python_version_file`, and of locks `pylock_file`, `uv_lock_file`, `poetry_lock_file`,
`pdm_lock_file`. They read by `text`, `logical_lines`, `shell_words`, `toml_file` and `toml_places`,
`yaml_places`, `pep508`, `poetry_versions`, `conda_versions`, `install_command` and `lock_entries`.

What is made of a file: `asked_requirements` what it asks of a solve, `reach` which entries of a
lock a machine needs, `lock_pins` and `locked_wheels` what a lock of cudalock's own holds.
"""
