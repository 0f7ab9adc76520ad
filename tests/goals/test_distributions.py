"""Names of Linux distributions are names of a glibc."""

from __future__ import annotations

import pytest

from cudalock.errors import BadTarget
from cudalock.matrix.matrix import Matrix

DISTRIBUTIONS = Matrix.load().distributions


@pytest.mark.parametrize(
    ("text", "glibc"),
    [
        ("RHEL 8", "2.28"),
        ("rhel8.10", "2.28"),
        ("Red Hat Enterprise Linux 9.4", "2.34"),
        ("red hat 7", "2.17"),
        ("el9", "2.34"),
        ("ubi8", "2.28"),
        ("Rocky 8", "2.28"),
        ("Rocky Linux 9", "2.34"),
        ("almalinux-10", "2.39"),
        ("Alma 8.9", "2.28"),
        ("CentOS 7", "2.17"),
        ("CentOS Stream 9", "2.34"),
        ("Oracle Linux 8", "2.28"),
        ("Amazon Linux 2", "2.26"),
        ("amazon linux 2023", "2.34"),
        ("AL2023", "2.34"),
        ("SLES 15 SP4", "2.31"),
        ("sles-15.6", "2.38"),
        ("openSUSE Leap 15.5", "2.31"),
        ("Debian 12", "2.36"),
        ("debian 12.5", "2.36"),
        ("bookworm", "2.36"),
        ("trixie", "2.41"),
        ("Ubuntu 22.04", "2.35"),
        ("ubuntu-24.04.1", "2.39"),
        ("noble", "2.39"),
        ("Fedora 40", "2.39"),
        ("openEuler 22.03", "2.34"),
        # No distribution, and no release without its name.
        ("22.04", None),
        ("wheel", None),
        ("torch", None),
        ("rhel 8 torch", None),
    ],
)
def test_a_distribution_is_a_glibc(text: str, glibc: str | None) -> None:
    assert DISTRIBUTIONS.glibc(text) == glibc


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("RHEL", "`RHEL` needs its release after it", "`rhel7` or `rhel8` or `rhel9`"),
        # A service pack brings a newer glibc.
        ("SLES 15", "`SLES 15` needs its release after it", "`sles15sp4`"),
        ("RHEL 11", "the glibc of RHEL 11 is not in the matrix", "7, 8, 9, 10"),
        ("Ubuntu 99.04", "the glibc of Ubuntu 99.04 is not in the matrix", "`--glibc`"),
    ],
)
def test_a_release_that_is_not_known_is_no_guess(text: str, message: str, hint: str) -> None:
    with pytest.raises(BadTarget) as raised:
        DISTRIBUTIONS.glibc(text)
    assert message in str(raised.value)
    assert any(hint in line for line in raised.value.hints)


def test_no_name_means_two_distributions() -> None:
    names = [name for row in DISTRIBUTIONS.rows for name in row["names"]]
    names += [codename for row in DISTRIBUTIONS.rows for codename in row.get("codenames", ())]
    assert sorted(names) == sorted(set(names))
