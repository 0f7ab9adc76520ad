"""Judge each pin by itself: its version, its wheels and where they are, and its hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cudalock.compat.pins import PinConflict, PinnedProject
from cudalock.compat.unbuilt import SOURCE_ONLY
from cudalock.compat.wheels import (
    PinWheels,
    ReleaseBuild,
    is_on_an_index,
    is_on_the_package_index,
    kind_and_number,
    oldest_glibc,
    variant_of,
    wheel_tags,
)
from cudalock.conflicts.step import describe_glibc, python_span
from cudalock.findings import RULES, Finding, Severity
from cudalock.matrix.facts import DIST
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.matrix.sources import PURE
from cudalock.projects.model import Declared
from cudalock.resolution.wheels import best_wheel
from cudalock.targets import PYTHONS
from cudalock.targets.accelerators import BUILT_FOR
from cudalock.text import listed, yanked_clause
from cudalock.versions import accepts, day_of_nightly, holds, parse_version, specifier_set

if TYPE_CHECKING:
    from packaging.version import Version

    from cudalock.compat.query import PinQuery
    from cudalock.matrix.facts import Fact, Labels
    from cudalock.matrix.releases import Project, Release
    from cudalock.matrix.universe import Universe
    from cudalock.targets import Target

SDIST = "sdist"
"""What a fact's `where` calls a source distribution."""


class SinglePinJudge:
    """Judges single pins on one target."""

    def __init__(self, target: Target, universe: Universe, query: PinQuery) -> None:
        """`query` tells which builds the target can run."""
        self._query = query
        self._target = target
        self._universe = universe
        self._matrix = universe.matrix

    def judge(self, pin: PinnedProject) -> tuple[list[PinConflict], PinnedProject | None]:
        """Return the defects of a pin, and the pin to judge with the others, None for none.

        The pin that comes back may come from any index, if a missing index is its defect.
        """
        project = self._universe.project(pin.name)
        if project is None or not project.versions:
            return [], None
        if pin.names_sources and pin.indexes is None and pin.file is None:
            # It may come from an index that is not in the matrix.
            return [], pin if self._is_known(pin, project) else None
        wheels = PinWheels(pin, project, self._target, self._matrix)
        if pin.file is not None:
            return self._judge_file(pin, wheels)
        if not wheels.versions:
            return list(self._no_version(pin, project)), None
        release_build = next(wheels.release_builds(), None)
        if release_build is None:
            return list(self._no_build(pin, wheels)), None
        findings = list(self._yanked(pin, wheels))
        if not pin.names_sources:
            return findings, pin if wheels.first(wheels.fits) else None
        if wheels.first(wheels.is_reachable, wheels.fits):
            findings += [*self._check_hashes(pin, wheels), *self._cpu_by_default(pin, wheels)]
            return findings, pin
        if self._compiles_nothing(pin, wheels) or self._is_older_than_listed(pin, wheels):
            return findings, None
        defect, usable = self._unreachable(pin, wheels)
        return [*findings, defect], usable

    def _is_known(self, pin: PinnedProject, project: Project) -> bool:
        wheels = PinWheels(pin, project, self._target, self._matrix)
        return wheels.first(wheels.fits) is not None

    # -- versions -------------------------------------------------------------------------------

    def _no_version(self, pin: PinnedProject, project: Project) -> Iterator[PinConflict]:
        pinned = pin.version
        versions = sorted(map(parse_version, project.versions))
        if pinned is None:
            yield self._empty_range(pin, str(versions[0]), str(versions[-1]))
            return
        version = parse_version(pinned)
        if version < versions[0] and not self._has_facts_of(pin.name, pinned):
            return
        if version < versions[0] or version > versions[-1]:
            yield self._not_known(pin, f"{versions[0]} to {versions[-1]}")
            return
        if (gone := self._gone_nightly(pin, version)) is not None:
            yield gone
            return
        if version.is_devrelease or (version.is_prerelease and not _have_prerelease(versions)):
            yield self._not_known(pin, "final releases only")
            return
        if not self._is_complete(pin.name):
            yield self._not_known(pin, f"{len(versions)} of its versions only")
            return
        any_version = PinnedProject(pin.name)
        near = PinWheels(any_version, project, self._target, self._matrix).nearest(pinned)
        sentence = f"{pin.name} {pinned} does not exist"
        yield self._defect("CL101", pin, sentence, fix=_alternatives(pin.name, near))

    def _gone_nightly(self, pin: PinnedProject, version: Version) -> PinConflict | None:
        """The defect of a pin on a nightly build whose days are over: no index has it any more."""
        nightly = self._matrix.component(pin.name).nightly
        day = day_of_nightly(version)
        if nightly is None or day is None:
            return None
        if (self._matrix.day - day).days <= nightly.days:
            return None
        sentence = (
            f"{pin.name} {version} is a nightly build of {day}: {nightly.url} has those of the"
            f" last {nightly.days} days"
        )
        project = self._matrix.project(pin.name)
        release = version.base_version
        final = release if project is not None and release in project else None
        fix = f"`{pin.name}=={final}`, the release that it became" if final else None
        return self._defect("CL101", pin, sentence, fix=fix)

    def _has_facts_of(self, name: str, version: str) -> bool:
        """Whether anything of the stack hangs on a version: its rank in a goal, or a fact.

        What is older than the matrix, and older than all that its facts are about, is like a
        project that the matrix does not have.
        """
        component = self._matrix.component(name)
        return component.rank is not None or any(
            accepts(fact.versions, version) for fact in component.facts
        )

    def _is_complete(self, name: str) -> bool:
        """Whether the matrix has every version between its oldest and its newest.

        So it does of curated projects, and of the NVIDIA packages that its toolkit tables list. Not
        of one whose name is another project's on the package index, or whose rows have gaps.
        """
        project = self._matrix.project(name)
        if not self._matrix.component(name).on_index or (project is not None and project.gaps):
            return False
        if self._matrix.is_curated(name) or self._matrix.is_library(name):
            return True
        return self._matrix.toolkits.has_project(name)

    def _not_known(self, pin: PinnedProject, known: str) -> PinConflict:
        sentence = (
            f"{pin.name}{pin.specifier} is not in the matrix: {self._matrix.version} has {known}"
        )
        return self._defect("CL105", pin, sentence)

    def _empty_range(self, pin: PinnedProject, oldest: str, newest: str) -> PinConflict:
        # A range that ends below the known versions, or begins above them, may have a release that
        # the matrix does not know.
        below = any(
            clause.operator in ("<", "<=", "~=")
            and parse_version(clause.version) <= parse_version(oldest)
            for clause in specifier_set(pin.specifier)
            if not clause.version.endswith(".*")
        )
        above = any(
            clause.operator in (">", ">=", "~=")
            and parse_version(clause.version) >= parse_version(newest)
            for clause in specifier_set(pin.specifier)
        )
        prefix = any(clause.version.endswith(".*") for clause in specifier_set(pin.specifier))
        if below or above or prefix:
            return self._not_known(pin, f"{oldest} to {newest}")
        return self._defect("CL101", pin, f"no release of {pin.name} matches {pin.specifier}")

    def _no_build(self, pin: PinnedProject, wheels: PinWheels) -> Iterator[PinConflict]:
        """The release exists, and no build of it has the local version of the pin."""
        release = wheels.project.release(wheels.versions[0])
        labels = sorted(
            {build.local for build in release.builds if build.local and build.builder is None}
        )
        kinds = {_kind(label) for label in labels}
        if _kind((pin.version or "").partition("+")[2]) not in kinds:
            # A label of ROCm, of XPU, of a distributor or of somebody's own build.
            sentence = f"{pin.name} {pin.version} is not in the matrix"
            yield self._defect("CL105", pin, f"{sentence}, nor is any build with such a label")
            return
        sentence = f"{pin.name} {pin.version} does not exist: the builds of {release.version} are"
        yield self._defect(
            "CL101",
            pin,
            f"{sentence} {', '.join(labels)}",
            fix=_alternatives(pin.name, [f"{release.version}+{label}" for label in labels[-1:]]),
        )

    def _yanked(self, pin: PinnedProject, wheels: PinWheels) -> Iterator[PinConflict]:
        version = pin.version
        if version is None or "+" in version:
            return
        reason = wheels.project.release(wheels.versions[0]).yanked
        if reason is not None:
            near = wheels.nearest(version)
            sentence = f"{pin.name} {version} {yanked_clause(reason)}"
            yield self._defect("CL102", pin, sentence, fix=_alternatives(pin.name, near))

    # -- wheels ---------------------------------------------------------------------------------

    def _unreachable(
        self, pin: PinnedProject, wheels: PinWheels
    ) -> tuple[PinConflict, PinnedProject | None]:
        """No wheel is reachable: it is on another index, has to be built, or does not exist.

        With the defect the pin to judge with the others, None where there is no wheel to judge.
        """
        other = self._best_on_any_index(wheels)
        if other is not None and not wheels.is_reachable(other):
            return self._on_other_index(pin, other), pin._replace(indexes=None)
        if "+" in pin.specifier and (elsewhere := wheels.first(wheels.fits)) is not None:
            # No source distribution has a local version.
            return self._at_builder(pin, elsewhere), pin._replace(indexes=None)
        is_there = pin.indexes is None or PACKAGE_INDEX in pin.indexes
        has_sdist = any(wheels.project.release(version).sdist for version in wheels.versions)
        if pin.has_sdist or (is_there and has_sdist):
            return self._source_only(pin, wheels), None
        return self._no_wheel(pin, wheels), None

    def _compiles_nothing(self, pin: PinnedProject, wheels: PinWheels) -> bool:
        """Tell whether an installer builds the newest version of a pin without a compiler."""
        if pin.indexes is not None and PACKAGE_INDEX not in pin.indexes:
            return False
        environment = self._target.marker_environment()
        state = self._matrix.component(pin.name).source_state(
            wheels.versions[0], lambda marker: holds(marker, environment)
        )
        return state is not None and state.kind == PURE

    def _is_older_than_listed(self, pin: PinnedProject, wheels: PinWheels) -> bool:
        """Tell whether the matrix has a pin from a builder, and reaches less far back on the
        package index, so that nobody knows whether that has it, or what it needs there."""
        if pin.indexes is not None and PACKAGE_INDEX not in pin.indexes:
            return False
        oldest = wheels.oldest_on_the_package_index()
        return oldest is not None and parse_version(wheels.versions[0]) < oldest

    def _best_on_any_index(self, wheels: PinWheels) -> ReleaseBuild | None:
        """A build on some index, of the newest version that has one; with CUDA if possible."""
        release_build = wheels.first(is_on_an_index, wheels.fits)
        if release_build is None:
            return None
        named = self._like_named(wheels, release_build.release)
        return named or self._with_cuda(wheels, release_build.release) or release_build

    def _like_named(self, wheels: PinWheels, release: Release) -> ReleaseBuild | None:
        """A build of the index that comes nearest to one that the file names, and nobody has:
        cu130 for cu131."""
        absent = [kind_and_number(each) for each in wheels.pin.indexes or ()]
        absent = [each for each in absent if each[1] and not self._has_index(each)]
        like: list[tuple[tuple[int, ...], ReleaseBuild]] = []
        for build in wheels.release_builds([release.version]):
            kind, number = kind_and_number(build.build.index or "")
            if any(kind == other for other, _ in absent) and wheels.fits(build):
                like.append((number, build))
        older = [each for each in like if any(each[0] < number for _, number in absent)]
        best = max(older, key=lambda each: each[0], default=None)
        best = best or min(like, key=lambda each: each[0], default=None)
        return best and best[1]

    def _has_index(self, wanted: tuple[str, tuple[int, ...]]) -> bool:
        return any(kind_and_number(index_id) == wanted for index_id in self._matrix.indexes)

    def _on_other_index(self, pin: PinnedProject, release_build: ReleaseBuild) -> PinConflict:
        url = self._universe.indexes[release_build.build.index or PACKAGE_INDEX].url
        version = pin.version or release_build.version
        where = url or "the package index"
        sentence = f"{pin.name} {version} for {self._where()} is on {where}, which is not searched"
        fix = f"add `--extra-index-url {url}`" if url else self._from_package_index(pin)
        defect = self._defect("CL301", pin, sentence, fix=fix)
        return defect._replace(missing_indexes=(release_build.build.index or PACKAGE_INDEX,))

    def _at_builder(self, pin: PinnedProject, release_build: ReleaseBuild) -> PinConflict:
        """The pin names a build that only a builder has, which no index of the file lists."""
        build, release = release_build.build, release_build.release
        builder = self._matrix.builders[build.builder or ""]
        page = builder.page and builder.page.format(tag=build.tag or "")
        wheel = best_wheel(build, self._target.tags())
        url = wheel and self._matrix.url(build, wheel, release.version)
        sentence = (
            f"{_named(pin)} for {self._where()} is on {page or builder.id}, which is not searched"
        )
        fix = f"add `--find-links {page}`" if page else f"`{pin.name} @ {url}`" if url else None
        return self._defect("CL301", pin, sentence, fix=fix)

    def _from_package_index(self, pin: PinnedProject) -> str:
        """How a file takes a project from the package index on the target, and elsewhere not."""
        is_unsent = isinstance(pin.origin, Declared) and pin.origin.index is None
        if is_unsent and pin.takes_highest:
            # One line of options is for all projects of a requirements file.
            return (
                "`--extra-index-url` in the place of `--index-url`, so that the package index is"
                " searched as well"
            )
        system = self._target.marker_environment()["sys_platform"]
        return (
            f"limit the other index to `sys_platform != '{system}'`, so that the package index"
            " serves this one"
        )

    def _source_only(self, pin: PinnedProject, wheels: PinWheels) -> PinConflict:
        facts = list(self._facts_about(wheels.versions[0], pin.name, {DIST: (SDIST,)}))
        breaks = any(fact.is_hard for fact in facts) and not pin.has_build_recipe
        sentence = "; ".join(fact.says for fact in facts) or self._how_built(pin, wheels)
        return self._defect(
            SOURCE_ONLY,
            pin,
            f"{_named(pin)} {sentence}",
            facts=tuple(fact.id for fact in facts),
            fix=next((fact.fix for fact in facts if fact.fix), None),
            severity="error" if breaks else None,
        )

    def _how_built(self, pin: PinnedProject, wheels: PinWheels) -> str:
        environment = self._target.marker_environment()
        state = self._matrix.component(pin.name).source_state(
            wheels.versions[0], lambda marker: holds(marker, environment)
        )
        sentence = f"has no wheel for {self._where()}, and would have to be built from source"
        if state is None or not state.beside or pin.has_build_recipe:
            return sentence
        beside = listed(state.beside)
        return f"{sentence}, which takes an installed {beside} and --no-build-isolation"

    def _no_wheel(self, pin: PinnedProject, wheels: PinWheels) -> PinConflict:
        near = wheels.nearest(pin.version or wheels.versions[0])
        fix = _alternatives(pin.name, near)
        glibc = wheels.oldest_glibc()
        if glibc is None:
            sentence = f"{_named(pin)} has no wheel for {self._where()}"
            if pythons := wheels.pythons():
                sentence += f": only for Python {python_span(pythons)}"
            return self._defect("CL103", pin, sentence, fix=fix)._replace(has_guess=True)
        if self._target.assumes_glibc:
            fix = f"`--glibc {glibc}` if the target has it{f', or {fix}' if fix else ''}"
        sentence = f"{_named(pin)} has no wheel for {describe_glibc(self._target, glibc)}"
        return self._defect("CL103", pin, sentence, fix=fix)

    def _cpu_by_default(self, pin: PinnedProject, wheels: PinWheels) -> Iterator[PinConflict]:
        """A framework pin without a label that resolves to a CPU build on the package index."""
        plain = wheels.first(wheels.is_reachable, wheels.fits)
        # Of all versions that an open pin accepts an installer takes the newest.
        same = [plain.release.version] if plain is not None else []
        has_other = any(
            wheels.is_reachable(other) and wheels.fits(other) and _is_accelerated(other)
            for other in wheels.release_builds(same)
        )
        if plain is not None and not has_other:
            yield from self._without_cuda(pin, wheels, plain)

    def _without_cuda(
        self, pin: PinnedProject, wheels: PinWheels, plain: ReleaseBuild
    ) -> Iterator[PinConflict]:
        """The finding for a framework pin that comes to this build, where nobody chose it."""
        if pin.name != self._matrix.framework or not self._target.accelerators:
            return
        if "+" in pin.specifier or not pin.required:
            return
        is_by_default = is_on_the_package_index(plain) or pin.takes_highest
        if not is_by_default or plain.accelerator:
            return
        # A target with a GPU or a driver is meant to use them.
        is_used = bool(self._target.gpus or self._target.driver)
        if not is_used and not is_on_the_package_index(plain):
            return  # its index was named for it
        release_build = self._with_cuda(wheels, plain.release)
        label = f", {plain.version}," if plain.build.local else ""
        wanted = self._target.wanted_accelerator
        sentence = (
            f"{pin.name}{pin.specifier} resolves to the build without {wanted.title}{label} on "
            f"{self._where()}"
        )
        if release_build is None:
            if not is_used:
                return  # no such build could be forgotten
            has_any = self._accelerated_builds(wheels, plain.release)
            title = wanted.title
            lacks = f"with {title} runs on the target" if has_any else f"there has {title}"
            sentence += f", and no build of {plain.release.version} {lacks}"
            release_build = self._next_with_cuda(wheels, plain.release)
        fix = None
        if release_build is not None:
            url = self._universe.indexes[release_build.build.index or PACKAGE_INDEX].url
            # Beside the package index, which has the same version, pip would not have to take it.
            option = "--extra-index-url" if release_build.build.local else "--index-url"
            where = f" with `{option} {url}`" if url else ""
            fix = f"`{pin.name}=={release_build.version}`{where}"
        labels = {
            "index": (PACKAGE_INDEX,),
            **{name: plain.build.row(name) for name in BUILT_FOR},
        }
        facts = [
            fact
            for fact in self._facts_about(plain.release.version, pin.name, labels)
            # That a build without CUDA has none is what the sentence says.
            if "index" in fact.where
        ]
        yield self._defect(
            "CL302",
            pin,
            sentence,
            facts=tuple(fact.id for fact in facts),
            fix=fix,
            severity="error" if is_used else None,
        )

    def _next_with_cuda(self, wheels: PinWheels, release: Release) -> ReleaseBuild | None:
        """A build for the target's accelerator, of the next newer release that has one."""
        versions = wheels.project.versions
        newer = versions[versions.index(release.version) + 1 :]
        any_version = PinWheels(
            PinnedProject(wheels.pin.name), wheels.project, self._target, self._matrix
        )
        stable = [version for version in newer if not parse_version(version).is_prerelease]
        builds = (self._with_cuda(any_version, wheels.project.release(v)) for v in stable)
        return next((build for build in builds if build is not None), None)

    def _with_cuda(self, wheels: PinWheels, release: Release) -> ReleaseBuild | None:
        """The build of a release for the target's accelerator that upstream publishes by default,
        else the newest one, of those that the target's GPU and driver can run."""
        name = self._target.wanted_accelerator.name
        builds = self._accelerated_builds(wheels, release)
        builds.sort(key=lambda release_build: parse_version(release_build.build.row(name)[0]))
        # The default of 2.5.1 is "12.4"; its builds say 12.4.1.
        default = f"{release.default.get(name)}."
        usual = [
            release_build
            for release_build in builds
            if f"{release_build.build.row(name)[0]}.".startswith(default)
        ]
        others = [release_build for release_build in builds if release_build not in usual]
        return next(filter(self._runs, [*reversed(usual), *reversed(others)]), None)

    def _accelerated_builds(self, wheels: PinWheels, release: Release) -> list[ReleaseBuild]:
        """The builds of a release for the target and its accelerator that an index has."""
        wanted = self._target.wanted_accelerator.name
        return [
            release_build
            for release_build in wheels.release_builds([release.version])
            if release_build.accelerator == wanted
            and wheels.fits(release_build)
            and is_on_an_index(release_build)
        ]

    def _runs(self, release_build: ReleaseBuild) -> bool:
        """Whether the target's GPU and driver can run a build of the framework."""
        if not self._target.gpus and not self._target.driver:
            return True
        indexes = frozenset({release_build.build.index or PACKAGE_INDEX})
        name = release_build.release.project
        pin = PinnedProject(name, f"=={release_build.version}", indexes=indexes)
        return self._query.is_possible([pin])

    # -- by file name ---------------------------------------------------------------------------

    def _judge_file(
        self, pin: PinnedProject, wheels: PinWheels
    ) -> tuple[list[PinConflict], PinnedProject | None]:
        file = pin.file or ""
        release_build = wheels.with_file(file)
        tags = wheel_tags(file)
        if tags is not None and self._target.tags().rank(tags) is None:
            sentence = f"{file} is not for {describe_misfit(self._target, tags)}"
            if "python" not in self._target.stated and (python := _unlisted_python(tags)):
                # Of the file's own Python nothing is known here, and no other is meant.
                sentence = f"{file} is for Python {python}, and the matrix begins with {PYTHONS[0]}"
                return [self._defect("CL105", pin, sentence, severity="note")], None
            return [self._defect("CL401", pin, sentence)], None
        if variant := variant_of(file):
            return [self._variant(pin, variant)], None
        if release_build is None:
            # A lockfile may name a file that is not in the matrix, of a version that is.
            return ([], None) if pin.indexes is None else self.judge(pin._replace(file=None))
        defects = [
            *self._check_file_hash(pin, release_build),
            *self._without_cuda(pin, wheels, release_build),
        ]
        return defects, pin

    def _variant(self, pin: PinnedProject, label: str) -> PinConflict:
        sentence = (
            f"{pin.file} is the wheel variant `{label}` (PEP 825): what it is built for is not"
            " known here, and pip cannot install it"
        )
        fix = "a wheel without a variant label"
        return self._defect("CL105", pin, sentence, fix=fix, severity="warning")

    def _check_file_hash(
        self, pin: PinnedProject, release_build: ReleaseBuild
    ) -> Iterator[PinConflict]:
        # Builders reuse the file names of others for other bytes: the hash of any of them will do.
        published = {
            wheel.sha256
            for build in release_build.release.builds
            # The address may be another place's, which has bytes of its own under a known name.
            if (build.builder is not None if pin.indexes is None else build.index in pin.indexes)
            for wheel in build.wheels
            if wheel.file(release_build.release.version, build.local) == pin.file
        }
        if pin.hashes and published and published.isdisjoint({*pin.hashes, None}):
            sentence = f"the hash does not match {pin.file}"
            yield self._defect("CL106", pin, sentence)

    def _check_hashes(self, pin: PinnedProject, wheels: PinWheels) -> Iterator[PinConflict]:
        """Compare the hashes with those of all wheels of the version, whatever their target."""
        if not pin.hashes or pin.version is None:
            return
        builds = [
            release_build.build
            for release_build in wheels.release_builds()
            if wheels.is_reachable(release_build)
        ]
        published = {row[1] for build in builds for row in build.rows}
        release = wheels.project.release(wheels.versions[0])
        if None in published or not published.isdisjoint(pin.hashes):
            return
        if release.sdist:
            # The hash may be that of the sdist, which is not in the matrix.
            return
        sentence = f"none of the hashes is of a wheel of {pin.name} {pin.version}"
        yield self._defect("CL106", pin, sentence)

    # -- words ----------------------------------------------------------------------------------

    def _where(self) -> str:
        return _with_python(self._target)

    def _facts_about(self, version: str, name: str, labels: Labels) -> Iterator[Fact]:
        """The facts outside the resolver's scope about a version with these labels."""
        environment = self._target.marker_environment()
        for fact in self._matrix.component(name).facts:
            if fact.scope == "solve" or not fact.where or not accepts(fact.versions, version):
                continue
            is_about_it = all(
                fact.matches(labels.get(key, ()), allowed) for key, allowed in fact.where.items()
            )
            if is_about_it and holds(fact.when, environment):
                yield fact

    def _defect(
        self,
        code: str,
        pin: PinnedProject,
        sentence: str,
        *,
        facts: tuple[str, ...] = (),
        fix: str | None = None,
        severity: Severity | None = None,
    ) -> PinConflict:
        finding = Finding(
            code=code,
            severity=severity or RULES[code].severity,
            sentence=sentence,
            facts=facts,
            fix=fix,
            members=(pin.name,),
        )
        return PinConflict(finding, (pin,), target_dependent=finding.rule.target_dependent)


def _unlisted_python(tags: str) -> str | None:
    """The CPython of a wheel's tags, where it is one that the matrix does not have."""
    match = re.match(r"cp([23])([0-9]{1,2})-cp", tags)
    python = f"{match[1]}.{match[2]}" if match else None
    return None if python in PYTHONS else python


def describe_misfit(target: Target, tags: str) -> str:
    """Return a target, as a clause, by the part of it that rules out a wheel with these tags."""
    glibc = oldest_glibc(target, [tags])
    return describe_glibc(target, glibc) if glibc else _with_python(target)


def _with_python(target: Target) -> str:
    return f"{target.platform_label} with Python {target.python_text}"


def _kind(label: str) -> str:
    """A local version label without its numbers: `cu` of `cu124`, `cu.full` of `cu126.full`."""
    return re.sub(r"[0-9]+(\.[0-9]+)*", "", label)


def _named(pin: PinnedProject) -> str:
    return f"{pin.name} {pin.version}" if pin.version else pin.text


def _is_accelerated(release_build: ReleaseBuild) -> bool:
    return release_build.accelerator is not None


def _have_prerelease(versions: Sequence[Version]) -> bool:
    return any(version.is_prerelease for version in versions)


def _alternatives(name: str, versions: list[str]) -> str | None:
    return " or ".join(f"`{name}=={version}`" for version in versions) or None
