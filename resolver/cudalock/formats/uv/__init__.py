"""The uv project and its lock.

`plan` decides what goes into the project, `project` edits pyproject.toml, `lined` edits one that
has several lines, `record` remembers what was written, `toml_lists` edits lists in place, `lock`
lets uv write uv.lock, `lined_lock` that of several lines.
"""
