"""`--image`: a base image as what is there, in place of an environment on this machine."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cudalock.cli.options import Likely
from cudalock.errors import Contradiction, UnknownName, UnknownVersion, UsageError
from cudalock.matrix.images import DEVEL
from cudalock.targets import LINUX
from cudalock.targets.accelerators import ACCELERATOR_FLAGS, CUDA
from cudalock.targets.platforms import likeliest
from cudalock.text import shell_word

if TYPE_CHECKING:
    from cudalock.cli.keep import Kept
    from cudalock.cli.options import GoalOptions, OutputOptions
    from cudalock.environment import Installed, Inventory, Layout
    from cudalock.goals import Request
    from cudalock.matrix.images import Base
    from cudalock.matrix.matrix import Matrix

MOST_TAGS = 3
"""How many known tags a hint names."""


class KnownImage(NamedTuple):
    """An image as it is laid out, and what is known of it."""

    base: Base
    layout: Layout
    inventory: Inventory


def read_image(text: str, matrix: Matrix) -> Base:
    """Return what is known of the image that `--image` names.

    Raises UnknownName for an image that the matrix does not know, UnknownVersion for a tag of which
    it knows nothing.
    """
    base = matrix.images.read(text)
    if base is None:
        names = sorted(matrix.images.images)
        raise UnknownName(
            f"the matrix ({matrix.version}) does not know the image `{text}`",
            hints=[
                f"images that it knows: {', '.join(names)}",
                "`--platform`, `--python`, `--glibc`",
            ],
        )
    if not base.is_known or (base.own is not None and not base.installed):
        known = matrix.images.images[base.name].releases
        tags = _nearest(base.tag, list(known))
        raise UnknownVersion(
            f"the matrix ({matrix.version}) does not know what `{text}` has",
            hints=[f"--image {_with_tag(text, tag)}" for tag in tags]
            or ["`--platform`, `--python` and `--glibc` state its machine"],
        )
    return base


def read_base(
    text: str, options: GoalOptions, output: OutputOptions
) -> tuple[GoalOptions, Kept | None]:
    """Return the options with the machine of an image, and what of it stays; None where it brings
    no framework. Raises what `read_image` and `lay_out` raise."""
    from cudalock.cli.keep import Kept
    from cudalock.cli.universe import load_matrix
    from cudalock.compat.base_image import has_framework

    matrix = load_matrix(output.matrix)
    base = read_image(text, matrix)
    if base.as_of and not base.tag and not output.quiet:
        from cudalock.cli.console import tell

        tell(
            f"note: `{text}` without a day is taken as of {base.as_of}, the newest that is known:"
            " `pip list` there shows what it has today"
        )
    options = with_its_target(options, base)
    if not has_framework(base, matrix):
        return with_its_cuda(text, options, base, matrix), None
    found = lay_out(text, base, options, matrix)
    labels = {**base.labels, **({CUDA.name: base.cuda} if base.cuda else {})}
    # Beside the framework an image has whole toolboxes: to hold their every release would hold back
    # what is asked for.
    names = (matrix.framework,) if matrix.framework else ()
    return options, Kept(found.layout, found.inventory, text, labels, names)


def _nearest(tag: str, known: list[str]) -> list[str]:
    """The known tags around one, as tags are sorted."""
    at = bisect_left(sorted(known), tag)
    return sorted(known)[max(at - MOST_TAGS + 1, 0) :][:MOST_TAGS]


def _with_tag(text: str, tag: str) -> str:
    # A digest names one image, and no other tag has it.
    plain = text.partition("@")[0]
    name, colon, last = plain.rpartition(":")
    return f"{name if colon and '/' not in last else plain}:{tag}"


def with_its_target(options: GoalOptions, base: Base) -> GoalOptions:
    """Return the options with the machine of an image, where they state none.

    Raises Contradiction where they state another system.
    """
    request = options.request
    if request.platform and not all(text.startswith(LINUX.name) for text in request.platform):
        raise Contradiction("`--image` is for Linux: leave out `--platform`")
    stated: Request = options.defaults._replace(
        platform=(base.platform if "-" in base.platform else likeliest(LINUX).flag,),
        glibc=(base.glibc,) if base.glibc else (),
        python=(base.python,) if base.python else options.defaults.python,
    )
    return replace(options, defaults=stated)


def with_its_cuda(text: str, options: GoalOptions, base: Base, matrix: Matrix) -> GoalOptions:
    """Return the options with a note on an image's own CUDA, and with what it makes likely.

    Wheels bring their CUDA, so that of the image counts in two places: the driver has to run it, or
    no container starts; and what compiles does so with its nvcc, which has to be of the framework's
    CUDA major version (torch/utils/cpp_extension.py compares them).
    """
    if base.cuda is None:
        return options
    request, defaults = options.request, options.defaults
    compiled = request.allow_build or defaults.allow_build
    says = [f"wheels bring their own CUDA, not the {base.cuda} of `{text}`"]
    driver = matrix.driver_of(base.cuda) if base.needs_driver else None
    if driver is not None:
        says.append(f"its containers are for driver {driver} or newer")
    compiles = base.part in (None, DEVEL)
    if compiled and not compiles:
        says.append(f"it has no nvcc to compile {', '.join(compiled)}, which a {DEVEL} image has")
    elif compiled:
        says.append(f"its nvcc compiles for a framework of CUDA {base.cuda.partition('.')[0]}")
    # Of a stated GPU the driver may have to be a newer one.
    is_open = not any((request.driver, defaults.driver, request.gpu, defaults.gpu))
    has_wish = any(getattr(request, flag) for flag in ACCELERATOR_FLAGS)
    likely = Likely(
        driver if is_open else None,
        base.cuda.partition(".")[0] if compiled and compiles and not has_wish else None,
    )
    notes = (*request.notes, "; ".join(says))
    return replace(options, request=request._replace(notes=notes), likely=likely)


def lay_out(text: str, base: Base, options: GoalOptions, matrix: Matrix) -> KnownImage:
    """Return an image with a framework as an environment that is somewhere else.

    Raises UsageError where its Python is neither known nor stated.
    """
    from cudalock.environment import Inventory, Layout
    from cudalock.targets import parse_platform, parse_python

    pythons = options.request.python or ((base.python,) if base.python else ())
    if len(pythons) != 1:
        raise UsageError(
            f"the Python of `{text}` is not known" if not pythons else "`--image` has one Python",
            hints=[
                *([] if pythons else [f"`docker run --rm {shell_word(text)} python -V` shows it"]),
                f"--image {text} --python 3.12",
            ],
        )
    python, free_threaded = parse_python(pythons[0])
    flag = (options.request.platform or (base.platform,))[0]
    platform = parse_platform(flag)[0]
    layout = Layout(
        prefix=Path(text),
        kind="image",
        python=python,
        platform=platform,
        site_packages=(),
        free_threaded=free_threaded,
        glibc=base.glibc,
        image=text,
    )
    return KnownImage(base, layout, Inventory(tuple(_installed(base, matrix))))


def _installed(base: Base, matrix: Matrix) -> list[Installed]:
    from cudalock.compat.base_image import framework_version
    from cudalock.environment import Installed as Distribution

    name, version = matrix.framework, framework_version(base, matrix)
    versions = {**base.installed, **({name: version} if name and version else {})}
    nowhere = Path()
    return [
        Distribution(project, text, nowhere / f"{project}.dist-info", installer="pip")
        for project, text in sorted(versions.items())
    ]
