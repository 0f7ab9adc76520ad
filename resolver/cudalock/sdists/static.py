"""Name, version and requirements that a source distribution states literally.

In the order of their worth: PKG-INFO of metadata version 2.2 and later without `Dynamic` on the
field (PEP 643), `[project]` of pyproject.toml without `dynamic` (PEP 621), PKG-INFO of backends
that compute nothing, the `requires.txt` that setuptools put into the archive, and literal values
of setup.cfg and setup.py.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement
from packaging.specifiers import InvalidSpecifier

from cudalock.records import NamedTuple
from cudalock.sdists.setup_script import is_open
from cudalock.versions import canonical, normalized_requirement, parse_version, specifier_set

if TYPE_CHECKING:
    from cudalock.sdists.archive import Contents
    from cudalock.sdists.setup_script import Script

FIRST_STATIC: Final = "2.2"
"""The metadata version from which a field of PKG-INFO is what the wheel will have (PEP 643)."""

_SECTION: Final = re.compile(r"\[([^\]:]*)(?::(.*))?\]")


class StaticMetadata(NamedTuple):
    """What an archive states; None for what it computes, or does not state."""

    name: str | None
    version: str | None
    python: str | None
    requires: tuple[str, ...] | None


def read_static(
    contents: Contents, project: dict[str, Any], script: Script | None, *, is_declarative: bool
) -> StaticMetadata:
    """Return what an archive states. `project` is the pyproject.toml.

    `is_declarative` tells that its backend computes no metadata.
    """
    text = contents.text("PKG-INFO") or contents.egg_info(None, "PKG-INFO")
    info = _Info(text or "")
    table = project.get("project")
    table = table if isinstance(table, dict) else {}
    config = _config(contents.text("setup.cfg"))
    requires = _requires(contents, info, table, (config, script), is_declarative)
    python = info.python or _python(table, config, script)
    # An archive that was packed by hand has no PKG-INFO.
    name = info.name or _stated("name", table, config, script)
    version = info.version or _stated("version", table, config, script)
    return StaticMetadata(name, version, _specifier(python), requires)


def _requires(
    contents: Contents,
    info: _Info,
    table: dict[str, Any],
    setup: tuple[configparser.ConfigParser | None, Script | None],
    is_declarative: bool,
) -> tuple[str, ...] | None:
    """Return the requirements of the best source that there is, None if that cannot be read.

    What a better source has wrong, a worse one does not make good.
    """
    if info.is_static("requires-dist") or (is_declarative and info.name):
        return info.requires
    stated = _of_project(table)
    if stated is not None:
        return stated
    files = ("SOURCES.txt", "requires.txt")
    if any(contents.egg_info(info.name, file) is not None for file in files):
        return _of_egg_info(contents, info.name)
    return _of_setup(*setup)


class _Info:
    """PKG-INFO."""

    def __init__(self, text: str) -> None:
        raw, _ = parse_email(text.encode())
        self.name = raw.get("name")
        self.version = raw.get("version")
        self.python = raw.get("requires_python")
        self._metadata_version = raw.get("metadata_version", "1.0")
        self._dynamic = {field.lower() for field in raw.get("dynamic", ())}
        self._requires = raw.get("requires_dist", [])

    @property
    def requires(self) -> tuple[str, ...] | None:
        return _normalised(self._requires)

    def is_static(self, field: str) -> bool:
        """Return whether the wheel will have the same."""
        try:
            is_new = parse_version(self._metadata_version) >= parse_version(FIRST_STATIC)
        except ValueError:
            return False
        return is_new and self._dynamic.isdisjoint({field, "provides-extra"})


def _normalised(texts: Iterable[str]) -> tuple[str, ...] | None:
    """Return requirements as packaging writes them; None if one is none."""
    try:
        return tuple(map(normalized_requirement, texts))
    except InvalidRequirement:
        return None


def _with_extra(text: str, extra: str, marker: str = "") -> str:
    """Return a requirement with the marker of an extra, and a further one."""
    plain, separator, own = text.partition(" ;") if " ;" in text else text.partition(";")
    markers = [f"({own.strip()})"] if separator and own.strip() else []
    markers += [f"({marker.strip()})"] if marker.strip() else []
    markers += [f'extra == "{canonical(extra)}"'] if extra else []
    joined = " and ".join(markers)
    return f"{plain.strip()} ; {joined}" if joined else plain.strip()


def _of_project(table: dict[str, Any]) -> tuple[str, ...] | None:
    """PEP 621. A table without `dependencies` requires nothing."""
    dynamic = table.get("dynamic", [])
    if not table or not isinstance(dynamic, list):
        return None
    if "dependencies" in dynamic or "optional-dependencies" in dynamic:
        return None
    return _listed(table.get("dependencies", []), table.get("optional-dependencies", {}))


def _listed(required: Any, extras: Any) -> tuple[str, ...] | None:
    """Return lists of requirements as one, those of extras with their marker."""
    if isinstance(required, str):
        required = _lines(required)
    if not isinstance(required, list | tuple) or not isinstance(extras, dict):
        return None
    texts = list(required)
    for extra, listed in extras.items():
        listed_texts = _lines(listed) if isinstance(listed, str) else listed
        if not isinstance(listed_texts, list | tuple):
            return None
        # setuptools lets a key carry a marker: `dev:python_version<"3.8"`.
        name, _, marker = str(extra).partition(":")
        if not all(isinstance(text, str) for text in listed_texts):
            return None
        texts += [_with_extra(text, name, marker) for text in listed_texts if text.strip()]
    if not all(isinstance(text, str) for text in texts):
        return None
    return _normalised(text for text in texts if text.strip() and not text.startswith("#"))


def _lines(text: str) -> list[str]:
    return [line.partition(" #")[0].strip() for line in text.splitlines() if line.strip()]


def _of_egg_info(contents: Contents, project: str | None) -> tuple[str, ...] | None:
    """What setuptools wrote into the archive; without a requires.txt it had nothing to write."""
    listed = contents.egg_info(project, "requires.txt")
    if listed is None:
        return ()
    texts = []
    extra = marker = ""
    for line in listed.splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if section := _SECTION.fullmatch(text):
            extra, marker = section[1].strip(), (section[2] or "").strip()
        else:
            texts.append(_with_extra(text, extra, marker))
    return _normalised(texts)


def _of_setup(
    config: configparser.ConfigParser | None, script: Script | None
) -> tuple[str, ...] | None:
    """Literal values of setup.py, and of setup.cfg where that leaves them open."""
    arguments = script.arguments if script is not None else {}
    if script is not None and script.is_open:
        return None
    if config is None or (script is None and not config.has_section("options")):
        return None
    required = arguments.get("install_requires") or _option(config, "options", "install_requires")
    extras = arguments.get("extras_require")
    if extras is None and config.has_section("options.extras_require"):
        extras = dict(config["options.extras_require"])
    if is_open(required) or is_open(extras) or "file:" in str(required):
        return None
    return _listed(required or [], extras or {})


def _config(text: str | None) -> configparser.ConfigParser | None:
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(text or "")
    except (configparser.Error, ValueError):
        return None
    return config


def _option(config: configparser.ConfigParser, section: str, key: str) -> str | None:
    return config.get(
        section, key, fallback=config.get(section, key.replace("_", "-"), fallback=None)
    )


def _python(
    table: dict[str, Any], config: configparser.ConfigParser | None, script: Script | None
) -> Any:
    """Return the range of Pythons of the files, where PKG-INFO has none."""
    arguments = script.arguments if script is not None else {}
    stated = table.get("requires-python") or arguments.get("python_requires")
    if stated is None and config is not None:
        stated = _option(config, "options", "python_requires")
    return stated


def _stated(
    key: str,
    table: dict[str, Any],
    config: configparser.ConfigParser | None,
    script: Script | None,
) -> str | None:
    """Return the literal `name` or `version` of the files; None for one that is computed."""
    arguments = script.arguments if script is not None and not script.is_open else {}
    stated = table.get(key) or arguments.get(key)
    if stated is None and config is not None:
        stated = _option(config, "metadata", key)
    is_literal = isinstance(stated, str) and not stated.startswith(("attr:", "file:"))
    return stated if is_literal else None


def _specifier(text: Any) -> str | None:
    """Return a specifier as it is written; None for none, or for what is not one."""
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        specifier_set(text.strip())
    except InvalidSpecifier:
        return None
    return text.strip()
