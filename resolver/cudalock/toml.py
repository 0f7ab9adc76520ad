"""Reading TOML: the standard library's module, or its twin where Python is older than that."""

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TOMLDecodeError = tomllib.TOMLDecodeError


def loads(text: str) -> dict[str, Any]:
    """Parse a document. Raises TOMLDecodeError, also where Python refuses a number or a nesting."""
    try:
        return tomllib.loads(text)
    except TOMLDecodeError:
        raise
    except ValueError as error:
        # An integer of too many digits. The exception's other arguments are new in Python 3.14.
        raise TOMLDecodeError(str(error)) from None
    except RecursionError:
        raise TOMLDecodeError("it is nested too deeply") from None


__all__ = ["TOMLDecodeError", "loads"]
