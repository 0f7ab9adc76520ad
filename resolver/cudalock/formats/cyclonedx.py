"""A lock as a software bill of materials, in CycloneDX's JSON, by cyclonedx-python-lib.

A component for each pin, with the digests and URLs of its wheels, whose work they are, and its
licence as far as the matrix knows it. The same lock gives the same bytes: the serial number follows
from the content, and there is no time in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from cudalock.errors import UsageError
from cudalock.formats import Format, WriteOptions
from cudalock.lock import require_hashes
from cudalock.lock.wheels import all_wheels
from cudalock.matrix.licenses import license_of
from cudalock.matrix.releases import PACKAGE_INDEX
from cudalock.text import one_line
from cudalock.urls import encoded, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cudalock.lock import Lock, LockedWheel, Pin
    from cudalock.matrix.licenses import License

FILE: Final = "cudalock.cdx.json"
_PREFIX: Final = "cudalock"
"""Of the names of properties that are ours."""


def render(lock: Lock, options: WriteOptions) -> str:
    """Return the document's text, of CycloneDX 1.6.

    Raises UsageError without the library, and HashesMissing for `--hashes require`.
    """
    try:
        from cyclonedx.model.bom import Bom
        from cyclonedx.output.json import JsonV1Dot6
    except ImportError:
        raise UsageError(
            "`--format cyclonedx` needs the library cyclonedx-python-lib",
            hints=["pip install cyclonedx-python-lib"],
        ) from None
    if options.hashes == "require":
        require_hashes(lock)
    licenses = _licenses(options)
    components = {
        _key(pin): _component(pin, license_of(licenses, pin.name, pin.version.partition("+")[0]))
        for pin in lock.pins
    }
    root = _root(lock)
    bom = Bom(components=components.values(), metadata=_metadata(lock, root))
    bom.register_dependency(root, [components[_key(pin)] for pin in lock.pins if pin.is_requested])
    for pin in lock.pins:
        # An edge has names alone, so of two targets' wheels of a project both are named.
        required = [components[_key(other)] for other in lock.pins if other.name in pin.requires]
        bom.register_dependency(components[_key(pin)], required)
    document: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    # The library takes the time and a random number.
    document["metadata"].pop("timestamp", None)
    document.pop("serialNumber", None)
    # A version 5 UUID is made of a name: here the content.
    serial = uuid5(NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return json.dumps({**document, "serialNumber": f"urn:uuid:{serial}"}, indent=2) + "\n"


def _licenses(options: WriteOptions) -> Mapping[str, tuple[License, ...]]:
    from cudalock.matrix.matrix import Matrix

    return (options.matrix or Matrix.load()).licenses


def _key(pin: Pin) -> str:
    """Return what tells a pin from all others: two targets may have wheels of one version."""
    return f"{pin.name}@{pin.version}" + (f"#{pin.marker}" if pin.marker else "")


def _root(lock: Lock) -> Any:
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        type=ComponentType.APPLICATION,
        name="environment",
        bom_ref="environment",
        description=one_line(" and ".join(target.label for target in lock.targets)),
    )


def _metadata(lock: Lock, root: Any) -> Any:
    from cyclonedx.model import Property
    from cyclonedx.model.bom import BomMetaData

    properties = {"command": lock.command, "matrix": lock.matrix_version, "cuda": lock.cuda}
    return BomMetaData(
        component=root,
        properties=[
            Property(name=f"{_PREFIX}:{name}", value=one_line(text))
            for name, text in properties.items()
            if text
        ],
    )


def _component(pin: Pin, license: License | None) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    wheels = all_wheels(pin)
    # Of several wheels no digest is that of the component: each is with its own file.
    own = pin.wheel.sha256 if len(wheels) == 1 else None
    properties = dict(_properties(pin, license))
    return Component(
        type=ComponentType.LIBRARY,
        name=pin.name,
        version=pin.version,
        bom_ref=_key(pin),
        purl=PackageURL(type="pypi", name=pin.name, version=pin.version),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=own)] if own else (),
        licenses=_license(license),
        external_references=[_reference(wheel) for wheel in wheels],
        properties=[
            Property(name=f"{_PREFIX}:{name}", value=text) for name, text in properties.items()
        ],
    )


def _properties(pin: Pin, license: License | None) -> Iterator[tuple[str, str]]:
    if pin.wheel.builder is not None:
        yield "builder", pin.wheel.builder
        yield "trust", pin.wheel.trust
    elif pin.wheel.index not in (None, PACKAGE_INDEX):
        yield "index", str(pin.wheel.index)
    if pin.marker:
        yield "marker", pin.marker
    if license is not None and license.read != pin.version.partition("+")[0]:
        yield "license-read-of", license.read


def _license(license: License | None) -> list[Any]:
    """Return the licence as METADATA declares it; none where it is not known."""
    from cyclonedx.model.license import (
        DisjunctiveLicense,
        LicenseAcknowledgement,
        LicenseExpression,
    )

    # CycloneDX tells what METADATA declares from what somebody concluded; this is the former.
    if license is None:
        return []
    declared = LicenseAcknowledgement.DECLARED
    if license.expression:
        return [LicenseExpression(license.expression, acknowledgement=declared)]
    return [DisjunctiveLicense(name=license.name, acknowledgement=declared)]


def _reference(wheel: LockedWheel) -> Any:
    from cyclonedx.model import (
        ExternalReference,
        ExternalReferenceType,
        HashAlgorithm,
        HashType,
        XsUri,
    )

    # On the package index a wheel has no URL before it is looked up; its name is a relative one.
    place = without_credentials(encoded(wheel.url)) if wheel.url else wheel.file
    return ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(place),
        comment=wheel.file if wheel.url else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=wheel.sha256)] if wheel.sha256 else (),
    )


FORMAT: Final = Format(render, FILE, needs_matrix=True)
