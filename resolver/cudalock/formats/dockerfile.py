"""A lock as a Dockerfile, and the requirements file beside it that the Dockerfile installs.

- The smallest image that serves: wheels bring CUDA with them, so as a rule it is Python's own, and
  the driver comes from the host. An image with CUDA is taken where a pin opens libraries of the
  system, and one with nvcc where something is compiled, in a stage of its own.
- Its glibc is not older than the lock's.
- The lock is a file of its own, so that Docker installs again only when it changes, and so that
  installers, `cudalock check` and bots read it as what it is.

Which images there are, and what facts need in one, is data: `matrix/containers.toml`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, NamedTuple

from cudalock.errors import BadTarget, Contradiction
from cudalock.formats import (
    Format,
    InstallCommand,
    WriteOptions,
    constraints,
    requirements_txt,
)
from cudalock.formats.header import header_lines
from cudalock.formats.hold import dockerfile_lines
from cudalock.lock.sources import needs_own_build
from cudalock.matrix.containers import TOOLKIT, BaseImage
from cudalock.matrix.facts import NONE
from cudalock.matrix.sources import PURE
from cudalock.targets.accelerators import CUDA
from cudalock.text import ascii_line, either, listed, shell_command, shell_file, shell_word
from cudalock.versions import accepts, holds, parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cudalock.lock import Lock, Pin
    from cudalock.matrix.containers import Containers, SystemNeed
    from cudalock.matrix.facts import Fact
    from cudalock.matrix.matrix import Matrix

FILE: Final = "Dockerfile"
_NAMES: Final = ("dockerfile", "containerfile")
_PYTHONS: Final = "/opt/python"
_VENV: Final = "/opt/venv"
_VARIABLE: Final = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
_BUILD: Final = "build"
"""The stage in which something is compiled."""
_FIRST: Final = "first"
"""The word in the name of the file of what has to be installed before something is compiled."""
_TOOLS: Final = ("setuptools", "wheel")
"""What a build without isolation needs besides what is compiled against."""


_NOTHING: Final = BaseImage("", "", "system", "", (), ())
"""For an image that somebody named."""


class _Image(NamedTuple):
    """An image that serves."""

    name: str
    """`python:3.11-slim-bookworm`"""
    base: BaseImage
    release: str
    """of its distribution"""

    @property
    def brings_python(self) -> bool:
        return self.base.brings == "python"


class _Needed(NamedTuple):
    """What a fact about a pin needs of the image."""

    need: SystemNeed
    fact: Fact
    pin: Pin
    is_optional: bool
    """whether only the framework requires the pin, and works without what it needs"""
    cuda: str | None = None
    """with a part of CUDA: the release that the pin was built with"""


class _Plan(NamedTuple):
    """The images and packages of a lock's Dockerfile."""

    final: _Image
    build: _Image | None
    """where something is compiled against CUDA"""
    needed: tuple[_Needed, ...]
    compiler: tuple[str, ...]
    """packages that compile a source distribution without CUDA"""
    accelerator: str | None
    """the name of the accelerator whose devices the container needs, if any"""


def render(lock: Lock, options: WriteOptions) -> str:
    """Return the file's text.

    Raises BadTarget and Contradiction for a lock that no single Linux image is for, or for which no
    image is known, and what the requirements file raises.
    """
    matrix = _matrix(options)
    containers = matrix.containers
    if lock.installer is not None:
        return _on_image(lock, options, matrix)
    plan = _plan(lock, matrix)
    installer = _Installer(lock, options, plan)
    secrets = _secrets(installer.texts)
    blocks = [
        list(_header(lock, options, plan, containers, secrets)),
        *_stages(plan, containers, lock, installer, secrets),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def lock_name(filename: str | None, part: str = "") -> str:
    """Return the name of the requirements file for a Dockerfile: `requirements.docker.txt`."""
    # A name of its own: `requirements.lock.txt` is often the lock of something else.
    words = re.split(r"[._]", (filename or FILE).lower())
    middle = [word for word in words if word and word not in _NAMES]
    return ".".join(["requirements", "docker", *middle, *([part] if part else []), "txt"])


def of_line(filename: str, line: str) -> str:
    """Return `Dockerfile.cu126` for `Dockerfile`, and `app-cu126.Dockerfile` for
    `app.Dockerfile`."""
    stem, dot, suffix = filename.rpartition(".")
    is_last = suffix.lower() in _NAMES and bool(dot)
    return f"{stem}-{line}.{suffix}" if is_last else f"{filename}.{line}"


def companions(lock: Lock, options: WriteOptions) -> Mapping[str, str]:
    """Return the files that the Dockerfile copies: the lock, and what a build needs before it."""
    if lock.installer is not None:
        name = lock_name(options.filename)
        return {name: requirements_txt.render(lock, options._replace(filename=name))}
    return _Installer(lock, options, _plan(lock, _matrix(options))).texts


def companion_names(filename: str) -> tuple[str, ...]:
    """Return the names that `companions` may write."""
    return lock_name(filename), lock_name(filename, _FIRST)


def install_commands(_lock: Lock, options: WriteOptions) -> tuple[InstallCommand, ...]:
    """Return the command that builds the image."""
    path = PurePath(options.filename or FILE)
    named = [] if path.name == FILE else ["-f", shell_file(path.as_posix())]
    folder = shell_file(path.parent.as_posix())
    return (InstallCommand("docker", " ".join(["docker build", *named, "-t IMAGE", folder])),)


def _on_image(lock: Lock, options: WriteOptions, matrix: Matrix) -> str:
    """Return the Dockerfile that adds to an image, and holds what is in it for good.

    Raises Contradiction for an environment in the place of an image, and for a notebook's runtime.
    """
    base = matrix.images.read(lock.image) if lock.image else None
    row = matrix.images.images.get(base.name) if base is not None else None
    if base is None or row is None or row.is_notebook:
        named = f"`{lock.image}`" if lock.image else "an environment"
        raise Contradiction(
            f"a Dockerfile starts from an image, and {named} is none",
            hints=["--format notebook" if row else "--format requirements"],
        )
    name = lock_name(options.filename)
    written = options._replace(filename=name)
    ((_, command),) = requirements_txt.install_commands(lock, written)
    words = shlex.split(command)
    words = words[words.index("install") + 1 :]
    # The variables that are set name the constraints, for later installs as well.
    words = [word for word in words if word not in ("-c", constraints.FILE)]
    install = ["--no-cache-dir", *(f"/tmp/{name}" if word == name else word for word in words)]
    lines = dockerfile_lines([kept for kept, _ in lock.kept], install, base.constraints)
    plan = _Plan(
        _Image(lock.image or "", _NOTHING, ""),
        None,
        (),
        (),
        CUDA.name if lock.cuda else None,
    )
    header = _header(lock, options, plan, matrix.containers, ())
    blocks = [[*header], [f"FROM {lock.image}"], [f"COPY {name} /tmp/"], lines]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


# -- which images ---------------------------------------------------------------------------------


def _matrix(options: WriteOptions) -> Matrix:
    if options.matrix is not None:
        return options.matrix
    from cudalock.matrix.matrix import Matrix

    return Matrix.load()


def _plan(lock: Lock, matrix: Matrix) -> _Plan:
    _check(lock)
    # A CUDA image is 2 to 9 GB larger than Python's own, and most wheels bring what they open.
    choice = _Choice(lock, matrix)
    needed = tuple(_needed(lock, matrix))
    parts = [row.need.part for row in needed if row.need.part]
    cuda = lock.cuda or next((row.cuda for row in needed if row.cuda), None)
    compiled = [pin for pin in lock.built if _kind(pin) != PURE]
    # Built on its own against torch, whose CUDA release nvcc has to be of.
    against = cuda is not None and any(lock.framework in _beside(pin) for pin in compiled)
    compiler = matrix.containers.compiler if compiled and not against else ()
    name = lock.accelerator[0] if lock.accelerator else None
    accelerator = CUDA.name if cuda else name
    if cuda is not None and against:
        build = choice.of_cuda("devel", cuda)
        final = choice.of_cuda(_largest(parts), cuda, build) if parts else choice.like(build)
        return _Plan(final, build, needed, compiler, accelerator)
    if cuda is not None and parts:
        final = choice.of_cuda(_largest(parts), cuda)
        return _Plan(final, None, needed, compiler, accelerator)
    return _Plan(choice.of_python(), None, needed, compiler, accelerator)


def _check(lock: Lock) -> None:
    """Raise for a lock that no single Linux image can hold."""
    others = [target for target in lock.targets if not target.is_linux]
    if others:
        raise BadTarget(
            f"a Dockerfile is for Linux, and the lock is for {others[0].label}",
            hints=["--platform linux"],
        )
    # Several platforms are fine: `docker buildx` builds one file for each of them.
    pythons = {target.python_text for target in lock.targets}
    if len(pythons) > 1:
        raise Contradiction(
            f"a Dockerfile has one Python, and the lock is for {either(sorted(pythons))}"
        )
    jetpack = next((target.jetpack for target in lock.targets if target.jetpack), None)
    if jetpack:
        raise BadTarget(f"no image is known for JetPack {jetpack}")


class _Choice:
    """The images that serve a lock."""

    def __init__(self, lock: Lock, matrix: Matrix) -> None:
        self.lock = lock
        self.bases = matrix.containers.bases
        self.distributions = matrix.distributions
        self.glibc = max((target.glibc or "" for target in lock.targets), key=parse_version)
        self.platforms = {target.platform for target in lock.targets}

    def of_python(self) -> _Image:
        """Return the smallest image that has the lock's Python, or one to which uv brings it."""
        target = self.lock.target
        minor = ".".join(target.python.split(".")[:2])
        found = self._fitting(
            base
            for base in self.bases
            if base.brings == "python" and minor in base.pythons and not target.free_threaded
        )
        return self._first([*found, *self._fitting(self._of("system"))], "")

    def like(self, image: _Image) -> _Image:
        """Return the image of the same release of a distribution, with nothing in it."""
        found = [
            other
            for other in self._fitting(self._of("system"))
            if (other.base.distribution, other.release) == (image.base.distribution, image.release)
        ]
        return found[0] if found else image

    def of_cuda(self, part: str, cuda: str, like: _Image | None = None) -> _Image:
        """Return an image with a part of a CUDA toolkit, of the same distribution as `like`."""
        found = [
            image
            for base in self._of(TOOLKIT)
            if part in base.parts and (version := _nearest(cuda, base.cuda))
            for image in self._fitting([base], cuda=version, part=part)
            if like is None or image.release == like.release
        ]
        return self._first(found, f" with CUDA {cuda}")

    def _of(self, brings: str) -> list[BaseImage]:
        return [base for base in self.bases if base.brings == brings]

    def _fitting(self, bases: Iterable[BaseImage], **fields: str) -> list[_Image]:
        """Return the images with a new enough glibc, the oldest first."""
        images = []
        for base in bases:
            for release in base.releases if self.platforms <= set(base.platforms) else ():
                glibc = self.distributions.by_release.get(f"{base.distribution}{release}")
                if glibc and parse_version(glibc) >= parse_version(self.glibc):
                    tag = base.tag.format(
                        python=self.lock.target.python_text,
                        codename=self.distributions.codename(base.distribution, release),
                        release=release,
                        **fields,
                    )
                    images.append(
                        (parse_version(glibc), _Image(f"{base.image}:{tag}", base, release))
                    )
        # Sorting is stable: of images with one glibc the first row counts.
        return [image for _, image in sorted(images, key=lambda pair: pair[0])]

    def _first(self, found: list[_Image], what: str) -> _Image:
        if found:
            return found[0]
        where = listed(sorted(target.platform_label for target in self.lock.targets))
        raise BadTarget(f"no image{what} and glibc >= {self.glibc} is known for {where}")


def _nearest(cuda: str, versions: Iterable[str]) -> str | None:
    """Return the release itself, else the newest of the same minor; None for neither."""
    minor = ".".join(cuda.split(".")[:2])
    alike = [version for version in versions if version.startswith(f"{minor}.")]
    return cuda if cuda in alike else max(alike, key=parse_version, default=None)


def _largest(parts: list[str]) -> str:
    order = ("base", "runtime", "devel")
    return max(parts, key=order.index)


def _kind(pin: Pin) -> str:
    archive = pin.archive
    return archive.build.kind if archive is not None and archive.build is not None else PURE


def _beside(pin: Pin) -> tuple[str, ...]:
    archive = pin.archive
    return archive.build.beside if archive is not None and archive.build is not None else ()


def _needed(lock: Lock, matrix: Matrix) -> Iterator[_Needed]:
    """Yield what facts about the pins need of the machine."""
    markers = lock.target.marker_environment()
    for need in matrix.containers.needs:
        fact = matrix.facts.get(need.fact)
        if fact is None or not holds(fact.when, markers):
            continue
        for pin in lock.pins:
            if pin.name != fact.component or not accepts(fact.versions, pin.version):
                continue
            # torch alone runs eager code without the compiler that its Triton would call.
            optional = bool(pin.via) and set(pin.via) <= {lock.framework}
            # What compiles at run time does so for the framework beside it.
            own = lock.cuda if pin.archive is not None else _built_with(pin, matrix)
            cuda = own if need.part else None
            # A part of CUDA is for builds for CUDA alone.
            if not need.part or cuda:
                yield _Needed(need, fact, pin, optional, cuda)


def _built_with(pin: Pin, matrix: Matrix) -> str | None:
    """Return the CUDA release that a wheel was built with; None for none, or if nobody knows."""
    project, version = matrix.project(pin.name), pin.version.partition("+")[0]
    if project is None or version not in project:
        return None
    for build in project.release(version).builds:
        if any(wheel.file(version, build.local) == pin.wheel.file for wheel in build.wheels):
            versions = [text for text in build.labels.get(CUDA.name, ()) if text != NONE]
            return max(versions, key=parse_version, default=None)
    return None


# -- text -----------------------------------------------------------------------------------------


class _Installer:
    """The requirements files, and the commands that install them."""

    def __init__(self, lock: Lock, options: WriteOptions, plan: _Plan) -> None:
        self.lock = lock
        self.plan = plan
        self.options = options
        self.folder = options.wheels
        if self.folder is not None and PurePath(self.folder).is_absolute():
            raise Contradiction(
                "a Dockerfile copies folders beside it: `--wheels` takes a relative path"
            )
        # uv brings a Python where the image has none.
        self.tool = options.installer if plan.final.brings_python else "uv"
        self.steps = [step for step in (self._first(), self._whole()) if step]

    def _step(self, lock: Lock, part: str = "") -> tuple[str, str, str]:
        """Return the name and text of a requirements file, and the command that installs it."""
        name = lock_name(self.options.filename, part)
        written = self.options._replace(filename=name)
        commands = dict(requirements_txt.install_commands(lock, written))
        return name, requirements_txt.render(lock, written), commands[self.tool]

    def _whole(self) -> tuple[str, str, str]:
        return self._step(self.lock)

    def _first(self) -> tuple[str, str, str] | None:
        """What has to be installed before the rest is built: all that it is compiled against."""
        if not needs_own_build(self.lock):
            return None
        by_name: dict[str, list[Pin]] = {}
        for pin in self.lock.pins:
            by_name.setdefault(pin.name, []).append(pin)
        # With all that these require: the step has hashes, and pip then installs nothing else.
        names: dict[str, None] = {}
        waiting = [name for pin in self.lock.built for name in _beside(pin)]
        while waiting:
            name = waiting.pop()
            if name in by_name and name not in names:
                names[name] = None
                waiting += [other for pin in by_name[name] for other in pin.requires]
        pins = tuple(pin for pin in self.lock.pins if pin.name in names)
        return self._step(replace(self.lock, pins=pins), _FIRST)

    @property
    def texts(self) -> dict[str, str]:
        return {name: text for name, text, _ in self.steps}

    def command(self, command: str) -> str:
        """Return an install command as it runs in an image: without a cache, into its Python."""
        if self.tool == "pip":
            return command.replace("pip install", "pip install --no-cache-dir", 1)
        # Python's own images have one Python and no environment, which uv takes for a mistake.
        system = " --system" if self.plan.final.brings_python else ""
        return command.replace("uv pip install", f"uv pip install{system} --no-cache", 1)


def _secrets(texts: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables that a URL of an index has in a requirements file."""
    # A build argument stays in the image's history, a secret does not.
    lines = [line for text in texts.values() for line in text.splitlines()]
    urls = [line for line in lines if not line.lstrip().startswith("#")]
    return tuple(sorted({name for line in urls for name in _VARIABLE.findall(line)}))


def _header(
    lock: Lock,
    options: WriteOptions,
    plan: _Plan,
    containers: Containers,
    secrets: tuple[str, ...],
) -> Iterator[str]:
    yield from header_lines(lock, options.hashes, (options.index_url, *options.extra_index_urls))
    ((_, build),) = install_commands(lock, options)
    passed = "".join(f" --secret id={name},env={name}" for name in secrets)
    yield f"# build: {build.replace('docker build', f'docker build{passed}', 1)}"
    run = containers.run(plan.accelerator) if plan.accelerator else None
    words = ["docker", "run", "--rm", "-it", *(run.options if run else ())]
    yield f"# run: {shell_command(words)} IMAGE"


def _stages(
    plan: _Plan,
    containers: Containers,
    lock: Lock,
    installer: _Installer,
    secrets: tuple[str, ...],
) -> Iterator[list[str]]:
    if plan.build is None:
        # What changes least comes first: Docker builds again from the first line that changed.
        yield [*_reasons_of_part(plan), f"FROM {plan.final.name}"]
        yield from _environment(plan, containers)
        yield from _packages(plan)
        yield from _installs(plan.final, containers, installer, secrets)
        return
    names = listed(dict.fromkeys(pin.name for pin in lock.built if _kind(pin) != PURE))
    yield [
        f"# compiles {names}; the image below has no part of this stage but what it copies",
        f"FROM {plan.build.name} AS {_BUILD}",
    ]
    yield from _build_variables(lock, containers)
    yield from _installs(plan.build, containers, installer, secrets)
    yield [*_reasons_of_part(plan), f"FROM {plan.final.name}"]
    yield from _environment(plan, containers)
    yield from _packages(plan)
    yield [
        f"COPY --from={_BUILD} {_PYTHONS} {_PYTHONS}",
        f"COPY --from={_BUILD} {_VENV} {_VENV}",
        f'ENV VIRTUAL_ENV={_VENV} PATH="{_VENV}/bin:$PATH"',
        "WORKDIR /app",
    ]


def _environment(plan: _Plan, containers: Containers) -> Iterator[list[str]]:
    run = containers.run(plan.accelerator) if plan.accelerator else None
    if run is not None and run.variables:
        variables = [f"{key}={shell_word(text)}" for key, text in run.variables.items()]
        yield [f"ENV {' '.join(variables)}"]


def _build_variables(lock: Lock, containers: Containers) -> Iterator[list[str]]:
    """Yield what a compiler has to be told where no GPU is visible, as in a build."""
    gpus = dict.fromkeys(gpu for target in lock.targets for gpu in target.gpus)
    # Without it a build is for every GPU that torch knows, which takes hours.
    if gpus and containers.build_variables:
        variables = [
            f"{key}={shell_word(text.format(gpus=';'.join(gpus)))}"
            for key, text in containers.build_variables.items()
        ]
        yield [f"ENV {' '.join(variables)}"]


def _packages(plan: _Plan) -> Iterator[list[str]]:
    """Yield what the distribution's packages are for, and the command that installs them."""
    rows = [row for row in plan.needed if row.need.packages]
    for row in rows:
        if row.is_optional:
            yield [
                f"# {_reason(row)}",
                f"# Only {row.pin.via[0]} requires it here. Where your code uses it too:",
                *(f"# {line}" for line in _apt(row.need.packages)[1:]),
            ]
    wanted = [row for row in rows if not row.is_optional]
    packages = dict.fromkeys(
        [*plan.compiler, *(name for row in wanted for name in row.need.packages)]
    )
    if packages:
        yield [
            *(f"# {_reason(row)}" for row in wanted),
            *_apt(packages),
        ]


def _reasons_of_part(plan: _Plan) -> list[str]:
    """Why the image is one of CUDA's, which is gigabytes larger."""
    return [f"# {_reason(row)}" for row in plan.needed if row.need.part]


def _reason(row: _Needed) -> str:
    return ascii_line(f"{row.pin.name} {row.fact.says} [{row.fact.id}]")


def _apt(packages: Iterable[str]) -> list[str]:
    return [
        # Versions of a distribution's packages are its own, and leave its index with the next.
        "# hadolint ignore=DL3008",
        "RUN apt-get update \\",
        f"    && apt-get install -y --no-install-recommends {' '.join(packages)} \\",
        "    && rm -rf /var/lib/apt/lists/*",
    ]


def _installs(
    image: _Image, containers: Containers, installer: _Installer, secrets: tuple[str, ...]
) -> Iterator[list[str]]:
    lines = ["WORKDIR /app"]
    if installer.tool == "uv":
        lines.insert(0, f"COPY --from={containers.uv} /uv /bin/")
    if not image.brings_python:
        python = installer.lock.target.python_text
        lines += [
            f'ENV UV_PYTHON_INSTALL_DIR={_PYTHONS} VIRTUAL_ENV={_VENV} PATH="{_VENV}/bin:$PATH"',
            f"RUN uv venv --managed-python --python {python} {_VENV}",
        ]
    yield lines
    lines = [f"COPY {' '.join(installer.texts)} ./"]
    if installer.folder is not None:
        folder = PurePath(installer.folder).as_posix()
        lines.append(f"COPY {folder}/ {folder}/")
    mounts = "".join(f"--mount=type=secret,id={name},env={name} " for name in secrets)
    commands = [installer.command(command) for _, _, command in installer.steps]
    if len(commands) > 1:
        # A build without isolation takes the build backend from the environment.
        install = "pip install" if installer.tool == "pip" else "uv pip install"
        commands.insert(-1, installer.command(f"{install} {' '.join(_TOOLS)}"))
    yield [*lines, f"RUN {mounts}" + " \\\n    && ".join(commands)]


FORMAT: Final = Format(
    render,
    FILE,
    install_commands,
    all_hashes=True,
    beside=lambda filename: f"cudalock.{filename}",
    needs_matrix=True,
    companions=companions,
    companion_names=companion_names,
    of_line=of_line,
)
