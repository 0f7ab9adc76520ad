"""What can be said against one thing held, whatever is held beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cudalock.compat.pins import PinConflict, PinnedProject
from cudalock.compat.wheels import (
    PinWheels,
    ReleaseBuild,
    is_on_an_index,
    is_on_the_package_index,
    wheel_tags,
)
from cudalock.findings import RULES, Finding, Severity
from cudalock.matrix.facts import DIST
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.targets.accelerators import CUDA
from cudalock.versions import holds, parse_version

if TYPE_CHECKING:
    from packaging.version import Version

    from cudalock.matrix.facts import Fact, Labels
    from cudalock.matrix.releases import Project, Release
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target

SDIST = "sdist"
"""What a fact's `where` calls a source distribution."""


class SinglePinJudge:
    """Judges single things on one target."""

    def __init__(self, target: Target, universe: Universe) -> None:
        self._target = target
        self._universe = universe
        self._matrix = universe.matrix

    def judge(self, held: PinnedProject) -> tuple[list[PinConflict], PinnedProject | None]:
        """What is wrong with it, and what of it can be judged with the rest: None for nothing.

        What comes back is less strict about the place where its absence is what was found wrong.
        """
        project = self._universe.project(held.name)
        if project is None or not project.versions:
            return [], None
        if held.placed and held.indexes is None and held.file is None:
            # It may come from where the matrix does not look.
            return [], held if self._is_known(held, project) else None
        wheels = PinWheels(held, project, self._target, self._matrix)
        if held.file is not None:
            return self._by_address(held, wheels)
        if not wheels.versions:
            return list(self._no_version(held, project)), None
        made = next(wheels.made(), None)
        if made is None:
            return list(self._no_build(held, wheels)), None
        findings = list(self._withdrawn(held, wheels))
        if not held.placed:
            return findings, held if wheels.first(wheels.fits) else None
        if wheels.first(wheels.is_reachable, wheels.fits):
            findings += [*self._hashes(held, wheels), *self._plain(held, wheels)]
            return findings, held
        found, free = self._out_of_reach(held, wheels)
        return [*findings, found], free

    def _is_known(self, held: PinnedProject, project: Project) -> bool:
        wheels = PinWheels(held, project, self._target, self._matrix)
        return wheels.first(wheels.fits) is not None

    # -- versions -------------------------------------------------------------------------------

    def _no_version(self, held: PinnedProject, project: Project) -> Iterator[PinConflict]:
        wanted = held.version
        versions = sorted(map(parse_version, project.versions))
        if wanted is None:
            yield self._no_version_in_range(held, str(versions[0]), str(versions[-1]))
            return
        version = parse_version(wanted)
        if version < versions[0] or version > versions[-1]:
            yield self._not_known(held, f"{versions[0]} to {versions[-1]}")
            return
        if version.is_devrelease or (version.is_prerelease and not _has_pre(versions)):
            yield self._not_known(held, "releases only")
            return
        if not self._is_whole(held.name):
            some = f"{len(versions)} of its versions only"
            yield self._not_known(held, some)
            return
        near = PinWheels(PinnedProject(held.name), project, self._target, self._matrix).nearest(
            wanted
        )
        says = f"{held.name} {wanted} does not exist"
        yield self._clash("CL101", held, says, fix=_either(held.name, near))

    def _is_whole(self, name: str) -> bool:
        """Whether the matrix has every version between its oldest and its newest: of what is
        curated, and of the vendor's packages those that its tables tell of."""
        if self._matrix.is_curated(name) or self._matrix.is_library(name):
            return True
        return self._matrix.toolkits.has_project(name)

    def _not_known(self, held: PinnedProject, known: str) -> PinConflict:
        says = (
            f"{held.name}{held.specifier} is not known here: matrix {self._matrix.version} has "
            f"{known}"
        )
        return self._clash("CL105", held, says)

    def _no_version_in_range(self, held: PinnedProject, oldest: str, newest: str) -> PinConflict:
        # A range that ends below what is known, or begins above it, may well hold elsewhere.
        from packaging.specifiers import SpecifierSet

        below = any(
            item.operator in ("<", "<=", "~=")
            and parse_version(item.version) <= parse_version(oldest)
            for item in SpecifierSet(held.specifier)
            if not item.version.endswith(".*")
        )
        above = any(
            item.operator in (">", ">=", "~=")
            and parse_version(item.version) >= parse_version(newest)
            for item in SpecifierSet(held.specifier)
        )
        prefix = any(item.version.endswith(".*") for item in SpecifierSet(held.specifier))
        if below or above or prefix:
            return self._not_known(held, f"{oldest} to {newest}")
        return self._clash("CL101", held, f"no release of {held.name} is {held.specifier}")

    def _no_build(self, held: PinnedProject, wheels: PinWheels) -> Iterator[PinConflict]:
        """The release exists, and no build of it has the local label that is asked for."""
        release = wheels.project.release(wheels.versions[0])
        labels = sorted(
            {build.local for build in release.builds if build.local and build.builder is None}
        )
        kinds = {_kind(label) for label in labels}
        if _kind((held.version or "").partition("+")[2]) not in kinds:
            # ROCm's, XPU's, a distributor's or one's own.
            says = f"{held.name} {held.version} is not known here: no build with such a label is"
            yield self._clash("CL105", held, says)
            return
        says = f"{held.name} {held.version} does not exist: builds of {release.version} are"
        yield self._clash(
            "CL101",
            held,
            f"{says} {', '.join(labels)}",
            fix=_either(held.name, [f"{release.version}+{label}" for label in labels[-1:]]),
        )

    def _withdrawn(self, held: PinnedProject, wheels: PinWheels) -> Iterator[PinConflict]:
        version = held.version
        if version is None or "+" in version:
            return
        reason = wheels.project.release(wheels.versions[0]).yanked
        if reason is not None:
            near = wheels.nearest(version)
            because = "" if reason == "yanked" else f": {reason}"
            says = f"{held.name} {version} was withdrawn{because}"
            yield self._clash("CL102", held, says, fix=_either(held.name, near))

    # -- wheels ---------------------------------------------------------------------------------

    def _out_of_reach(
        self, held: PinnedProject, wheels: PinWheels
    ) -> tuple[PinConflict, PinnedProject | None]:
        """No wheel is within reach: it is on another index, or has to be built, or is not there."""
        elsewhere = self._best_elsewhere(wheels)
        if elsewhere is not None and not wheels.is_reachable(elsewhere):
            return self._elsewhere(held, elsewhere), held._replace(indexes=None)
        is_there = held.indexes is None or PACKAGE_INDEX in held.indexes
        has_source = any(wheels.project.release(each).sdist for each in wheels.versions)
        if held.has_source or (is_there and has_source):
            return self._source_only(held, wheels), None
        return self._no_wheel(held, wheels), None

    def _best_elsewhere(self, wheels: PinWheels) -> ReleaseBuild | None:
        """A build of the newest version that some index has, with CUDA where there is one."""
        made = wheels.first(is_on_an_index, wheels.fits)
        return made and (self._with_cuda(wheels, made.release) or made)

    def _elsewhere(self, held: PinnedProject, made: ReleaseBuild) -> PinConflict:
        url = self._universe.indexes[made.build.index or PACKAGE_INDEX].url
        version = held.version or made.version
        where = url or "the package index"
        says = f"{held.name} {version} for {self._where()} is on {where}, which is not looked at"
        fix = f"add `--extra-index-url {url}`" if url else "let the package index be asked as well"
        found = self._clash("CL301", held, says, fix=fix)
        return found._replace(needs=(made.build.index or PACKAGE_INDEX,))

    def _source_only(self, held: PinnedProject, wheels: PinWheels) -> PinConflict:
        facts = list(self._facts_about(wheels.versions[0], held.name, {DIST: (SDIST,)}))
        breaks = any(fact.is_hard for fact in facts) and not held.is_built
        says = "; ".join(fact.says for fact in facts)
        if not says:
            says = f"has no wheel for {self._where()}, and would have to be built from its source"
        return self._clash(
            "CL104",
            held,
            f"{_called(held)} {says}",
            facts=tuple(fact.id for fact in facts),
            fix=next((fact.fix for fact in facts if fact.fix), None),
            severity="error" if breaks else None,
        )

    def _no_wheel(self, held: PinnedProject, wheels: PinWheels) -> PinConflict:
        near = wheels.nearest(held.version or wheels.versions[0])
        says = f"{_called(held)} has no wheel for {self._where()}"
        return self._clash("CL103", held, says, fix=_either(held.name, near))

    def _plain(self, held: PinnedProject, wheels: PinWheels) -> Iterator[PinConflict]:
        """A plain pin of the framework that comes to a build without CUDA, where others have it."""
        if held.name != self._matrix.framework or not self._target.accelerators:
            return
        if "+" in held.specifier or not held.required:
            return
        plain = wheels.first(wheels.is_reachable, wheels.fits)
        if plain is None or not is_on_the_package_index(plain) or plain.has_cuda:
            return
        if wheels.first(wheels.is_reachable, wheels.fits, _has_cuda) is not None:
            return
        made = self._with_cuda(wheels, plain.release)
        if made is None:
            return
        url = self._universe.indexes[made.build.index or PACKAGE_INDEX].url
        labels = {"index": (PACKAGE_INDEX,)}
        facts = self._facts_about(plain.release.version, held.name, labels)
        says = f"{held.name}{held.specifier} means the build without CUDA on {self._where()}"
        yield self._clash(
            "CL302",
            held,
            says,
            facts=tuple(fact.id for fact in facts),
            fix=f"`{held.name}=={made.version}` with `--extra-index-url {url}`",
            # Who names a GPU or a driver wants CUDA.
            severity="error" if self._target.gpus or self._target.driver else None,
        )

    @staticmethod
    def _with_cuda(wheels: PinWheels, release: Release) -> ReleaseBuild | None:
        """The build of a release that has CUDA: the one upstream publishes by default, else the
        newest."""
        made = [
            each
            for each in wheels.made([release.version])
            if each.has_cuda and wheels.fits(each) and is_on_an_index(each)
        ]
        made.sort(key=lambda each: parse_version(each.build.row(CUDA.name)[0]))
        default = f"{release.default.get(CUDA.name)}."
        usual = [each for each in made if f"{each.build.row(CUDA.name)[0]}.".startswith(default)]
        return next(reversed(usual or made), None)

    # -- by address -----------------------------------------------------------------------------

    def _by_address(
        self, held: PinnedProject, wheels: PinWheels
    ) -> tuple[list[PinConflict], PinnedProject | None]:
        file = held.file or ""
        made = wheels.named(file)
        tags = wheel_tags(file)
        if tags is not None and self._target.tags().rank(tags) is None:
            says = f"{file} is not for {self._where()}"
            return [self._clash("CL401", held, says)], None
        if made is None:
            # A lock names files that the matrix may not know, and their version all the same.
            return ([], None) if held.indexes is None else self.judge(held._replace(file=None))
        return list(self._hash_of(held, made)), held

    def _hash_of(self, held: PinnedProject, made: ReleaseBuild) -> Iterator[PinConflict]:
        # Names are used again for other bytes, by other builders: all of them are looked at.
        published = {
            wheel.sha256
            for build in made.release.builds
            if held.indexes is None or build.index in held.indexes
            for wheel in build.wheels
            if wheel.file(made.release.version, build.local) == held.file
        }
        if held.hashes and published and published.isdisjoint({*held.hashes, None}):
            says = f"the hash is not that of {held.file}"
            yield self._clash("CL106", held, says)

    def _hashes(self, held: PinnedProject, wheels: PinWheels) -> Iterator[PinConflict]:
        """Whether a hash is that of some published wheel of the version, for any target."""
        if not held.hashes or held.version is None:
            return
        builds = [made.build for made in wheels.made() if wheels.is_reachable(made)]
        published = {row[1] for build in builds for row in build.rows}
        release = wheels.project.release(wheels.versions[0])
        if None in published or not published.isdisjoint(held.hashes):
            return
        if release.sdist:
            # The hash may be the source distribution's, which the matrix does not hold.
            return
        says = f"no wheel of {held.name} {held.version} has a hash that is given"
        yield self._clash("CL106", held, says)

    # -- words ----------------------------------------------------------------------------------

    def _where(self) -> str:
        return f"{self._target.platform_label} with Python {self._target.python_text}"

    def _facts_about(self, version: str, name: str, labels: Labels) -> Iterator[Fact]:
        """The facts that no solve asks, about a version of a project that is so labelled."""

        from cudalock.versions import accepts

        environment = self._target.marker_environment()
        for fact in self._matrix.component(name).facts:
            if fact.scope == "solve" or not fact.where or not accepts(fact.versions, version):
                continue
            about = all(fact.matches(labels.get(key, ()), each) for key, each in fact.where.items())
            if about and holds(fact.when, environment):
                yield fact

    def _clash(
        self,
        code: str,
        held: PinnedProject,
        says: str,
        *,
        facts: tuple[str, ...] = (),
        fix: str | None = None,
        severity: Severity | None = None,
    ) -> PinConflict:
        finding = Finding(
            code=code,
            severity=severity or RULES[code].severity,
            sentence=says,
            facts=facts,
            fix=fix,
            members=(held.name,),
        )
        return PinConflict(finding, (held,), is_local=finding.rule.target_dependent)


def _kind(label: str) -> str:
    """What a label begins with: `cu` of `cu124`."""
    return label.rstrip("0123456789").partition(".")[0].rstrip("0123456789")


def _called(held: PinnedProject) -> str:
    return f"{held.name} {held.version}" if held.version else held.text


def _has_cuda(made: ReleaseBuild) -> bool:
    return made.has_cuda


def _has_pre(versions: Sequence[Version]) -> bool:
    return any(version.is_prerelease for version in versions)


def _either(name: str, versions: list[str]) -> str | None:
    return " or ".join(f"`{name}=={version}`" for version in versions) or None
