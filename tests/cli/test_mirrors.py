"""A mirror of a known index: nothing names the original, and locks are judged as the original's."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cudalock.cli import main
from cudalock.errors import Contradiction, UsageError
from cudalock.files import data_directory
from cudalock.indexes.client import Web
from cudalock.indexes.package_index import PackageIndexes, default_index_url
from cudalock.matrix.matrix import Matrix, origins_of
from cudalock.mirrors import read_mirrors
from tests.local_index import LocalIndex, build_wheel
from tests.scripted import Answer, ScriptedServer

PYTORCH = "https://download.pytorch.org/whl/"
MAP = ["--index-map", f"{PYTORCH}=https://m.corp/pt", "--index-map", "github=https://m.corp/gh"]
ORIGINALS = re.compile(r"pytorch\.org|https://github\.com")
GOALS = [
    "--torch 2.6.0 --cuda 11.8 --vision --python 3.11 --platform linux",
    "--torch 2.5.1 --fa2 --xformers --python 3.11 --platform windows",
    "--torch 2.7.1 --fa2 --python 3.12 --platform linux --platform windows",
    "--torch 2.5.1 --cuda cpu --python 3.11 --platform linux --urls",
    "--torch 2.6.0 --cuda 11.8 --python 3.11 --platform linux --wheels w",
]


def run(*words: str) -> Result:
    return CliRunner().invoke(main, [*words])


def names() -> dict[str, str]:
    return dict(origins_of(None))


# -- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "mirrored"),
    [
        (f"{PYTORCH}cu124", "https://m.corp/pt/cu124"),
        (f"{PYTORCH}cu124/torch-2.5.1%2Bcu124-x.whl#sha256=ab", None),
        (PYTORCH, "https://m.corp/pt/"),
        (PYTORCH[:-1], "https://m.corp/pt"),
        ("HTTPS://Download.PyTorch.org/whl/cu124", "https://m.corp/pt/cu124"),
        ("https://download.pytorch.org/whlx/cu124", "same"),
        ("https://download.pytorch.org/libtorch/x.zip", "same"),
        ("https://evil.example/?https://download.pytorch.org/whl/x", "same"),
        ("https://github.com/a/b/releases", "https://m.corp/gh/a/b/releases"),
        ("./wheels/torch.whl", "same"),
    ],
)
def test_urls(url: str, mirrored: str | None) -> None:
    mirrors = read_mirrors([f"{PYTORCH}=https://m.corp/pt/", "github=https://m.corp/gh"], names())
    expected = url.replace(PYTORCH, "https://m.corp/pt/") if mirrored is None else mirrored
    assert mirrors.url(url) == (url if expected == "same" else expected)


def test_the_longest_original_counts_and_nothing_is_mirrored_twice() -> None:
    mirrors = read_mirrors(
        [
            f"{PYTORCH}=https://a.example/",
            "cu124=https://b.example/",
            "github=" + PYTORCH,
        ],
        names(),
    )
    assert mirrors.url(f"{PYTORCH}cu124/x.whl") == "https://b.example/x.whl"
    assert mirrors.url(f"{PYTORCH}cu126/x.whl") == "https://a.example/cu126/x.whl"
    assert mirrors.text('{"u": "https://github.com/x"}') == f'{{"u": "{PYTORCH}x"}}'


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["pytorch"], "needs ORIGINAL=MIRROR"),
        (["pytorch="], "needs ORIGINAL=MIRROR"),
        (["=https://m.corp/"], "needs ORIGINAL=MIRROR"),
        (["pytorx=https://m.corp/"], "no index or file store is called `pytorx`"),
        (["pytorch=m.corp/x"], "is not the http or https URL"),
        (["pytorch=file:///srv/x"], "is not the http or https URL"),
        (['pytorch=https://m.corp/"x'], "is not the http or https URL"),
        (["pytorch=https://m.corp/a b"], "is not the http or https URL"),
        (["pytorch=https://m.corp/?token=1"], "is not the http or https URL"),
        (["pytorch=https://[::1/"], "is not the http or https URL"),
        ([f"pytorch={PYTORCH}mine/"], "is a part of"),
        (["pytorch=https://a.b/", "pytorch=https://c.d/"], "at both"),
        (["=https://me:secret@a.b/"], "needs ORIGINAL=MIRROR"),
        (["pytorch=https://me:secret@[::1/"], "is not the http or https URL"),
        (["pytorch=https://me:secret@a.b/?x"], "is not the http or https URL"),
        (["pytorch=https://me:secret@a.b c/"], "is not the http or https URL"),
    ],
)
def test_what_is_no_mirror(texts: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        read_mirrors(texts, names())
    assert "secret" not in str(caught.value)


def test_the_same_mirror_twice_is_one() -> None:
    mirrors = read_mirrors(["pytorch=https://a.b/c", f"{PYTORCH}=https://a.b/c/"], names())
    assert mirrors.words == ["--index-map", "pytorch=https://a.b/c/"]
    with pytest.raises(Contradiction):
        read_mirrors(["cu124=https://a.b/", f"{PYTORCH}cu124=https://c.d/"], names())


def test_secrets_are_never_shown_and_variables_stay() -> None:
    mirrors = read_mirrors(
        ["pytorch=https://me:secret@m.corp/pt/", "github=https://me:${TOKEN}@m.corp/gh/"], names()
    )
    assert "secret" not in f"{mirrors} {mirrors.words}"
    assert mirrors.url(f"{PYTORCH}x") == "https://m.corp/pt/x"
    matrix = Matrix.load(data_directory()).mirrored(mirrors)
    builder = matrix.builders["Dao-AILab/flash-attention"]
    assert builder.url.format(tag="v1", file="x.whl").startswith("https://me:${TOKEN}@m.corp/gh/")


# -- locks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["requirements", "uv", "json", "constraints"])
@pytest.mark.parametrize("goal", GOALS)
def test_no_lock_names_the_original(goal: str, format: str) -> None:
    words = shlex.split(goal)
    if format == "uv" and "--wheels" in words:
        format = "pylock"
    result = run("solve", *words, *MAP, "--offline", "--format", format)
    assert result.exit_code == 0, result.stderr
    assert not ORIGINALS.search(result.stdout + result.stderr)
    assert "m.corp" in result.stdout
    # The command in the header makes the same lock.
    command = re.search(r'(?:command"?: "?)(cudalock solve .*?)"?,?$', result.stdout, re.MULTILINE)
    assert command is not None
    again = shlex.split(command[1].replace('\\"', '"'))[1:]
    assert run(*again, "--offline", "--format", format).stdout == result.stdout


@pytest.mark.parametrize(
    ("goal", "maps", "said"),
    [
        (
            "--torch 2.5.1 --python 3.11 --platform linux",
            ["pytorch"],
            ["nothing in this lock is from pytorch", "the package index has no mirror, and"],
        ),
        (
            "--torch 2.5.1+cu121 --python 3.11 --platform linux",
            ["pytorch"],
            ["the package index has no mirror, and this lock takes 22 files from it"],
        ),
        ("--torch 2.5.1+cu121 --python 3.11 --platform linux", ["pytorch", "pypi"], []),
        ("--torch 2.5.1+cu121 --python 3.11 --platform linux", [], []),
    ],
)
def test_what_a_closed_network_lacks_is_told(goal: str, maps: list[str], said: list[str]) -> None:
    mirrored = [word for name in maps for word in ("--index-map", f"{name}=https://m.corp/{name}")]
    result = run("solve", *goal.split(), "--offline", *mirrored)
    assert result.exit_code == 0, result.stderr
    notes = [line for line in result.stderr.splitlines() if line.startswith("note: ")]
    mirrors = [note for note in notes if "mirror" in note]
    assert len(mirrors) == len(said)
    for note, text in zip(mirrors, said, strict=True):
        assert text in note


def test_a_refusal_names_no_original() -> None:
    goal = ("--torch", "2.5.1", "--fa2", "--python", "3.11", "--platform", "linux")
    result = run("solve", *goal, *MAP, "--offline", "--hashes", "require")
    assert result.exit_code == 1
    assert not ORIGINALS.search(result.stderr)


def test_hints_name_the_mirror() -> None:
    words = ("flash-attn==2.8.3", "--torch", "2.5.1", "--cuda", "13.0", *GOALS[0].split()[-4:])
    result = run("solve", *words, *MAP, "--offline")
    assert result.exit_code == 1
    hints = [line for line in result.stderr.splitlines() if "`cudalock solve" in line]
    assert hints
    assert all("--index-map pytorch=https://m.corp/pt/" in hint for hint in hints)


def test_mirrors_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = f'[tool.cudalock]\nindex-map = {{ "{PYTORCH}" = "https://m.corp/pt/" }}\n'
    Path("pyproject.toml").write_text(table, encoding="utf-8")
    goal = ("--torch", "2.5.1", "--cuda", "cpu", "--python", "3.11", "--platform", "linux")
    result = run("solve", *goal, "--offline")
    assert "--extra-index-url https://m.corp/pt/cpu\n" in result.stdout
    assert "--index-map pytorch=https://m.corp/pt/" in result.stdout
    # Commands without the option ignore it, and a misspelt key is still one.
    assert run("explain", *goal).exit_code == 0
    Path("pyproject.toml").write_text(table.replace("index-map", "index-mapp"), encoding="utf-8")
    assert run("explain", *goal).exit_code == 2


@pytest.mark.parametrize("original", ["pypi", default_index_url()])
def test_a_mirror_of_the_package_index_is_named(original: str) -> None:
    goal = ("--torch", "2.5.1", "--python", "3.11", "--platform", "linux", "--offline")
    result = run("solve", *goal, "--index-map", f"{original}=https://m.corp/simple")
    assert "--index-url https://m.corp/simple" in result.stdout
    assert default_index_url() not in result.stdout + result.stderr


# -- check --------------------------------------------------------------------------------------

FILES = {
    "a pair that conflicts": f"""\
--index-url {PYTORCH}cu124
torch==2.5.1+cu124
torchvision==0.19.0+cu124
""",
    "a release that the index lacks": f"--index-url {PYTORCH}cu121\ntorch==2.6.0\n",
    "a CPU build": f"--index-url {PYTORCH}cpu\ntorch==2.5.1\nflash-attn==2.7.4.post1\n",
    "a wheel by URL": (
        "torch==2.5.1\nflash-attn @ https://github.com/Dao-AILab/flash-attention/releases/download/"
        "v2.7.4.post1/flash_attn-2.7.4.post1%2Bcu12torch2.6cxx11abiFALSE-cp311-cp311-linux_x86_64.whl\n"
    ),
    "fine": f"--extra-index-url {PYTORCH}cu124\ntorch==2.5.1+cu124\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_file_is_judged_as_that_of_the_original(text: str, tmp_path: Path) -> None:
    target = ("--platform", "linux", "--python", "3.11")
    path = tmp_path / "requirements.txt"
    path.write_text(text, encoding="utf-8")
    original = run("check", str(path), *target)
    # A file that still names the original is judged so as well.
    of_both = run("check", str(path), *target, *MAP)
    mirrored = text.replace(PYTORCH, "https://m.corp/pt/")
    path.write_text(mirrored.replace("https://github.com/", "https://m.corp/gh/"), encoding="utf-8")
    stated = run("check", str(path), *target, *MAP)
    header = "# cudalock: Linux x86_64\n# command: cudalock solve torch " + " ".join(
        word.replace(PYTORCH, "pytorch") for word in MAP
    )
    path.write_text(f"{header}\n{path.read_text()}", encoding="utf-8")
    recorded = run("check", str(path), *target)

    def findings(result: Result) -> str:
        text = result.stdout.replace(PYTORCH, "https://m.corp/pt/")
        text = text.replace("https://github.com/", "https://m.corp/gh/")
        return re.sub(r"requirements\.txt:\d+", "", text)

    assert stated.exit_code == original.exit_code == recorded.exit_code == of_both.exit_code
    assert findings(stated) == findings(original) == findings(recorded) == findings(of_both)
    assert not ORIGINALS.search(stated.stdout + recorded.stdout)


def test_the_cases_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("--index-url https://m.corp/pt/cu121\ntorch==2.6.0\n", encoding="utf-8")
    target = ("--platform", "linux", "--python", "3.11")
    assert run("check", str(path), *target).exit_code == 0
    assert run("check", str(path), *target, *MAP).exit_code == 1


def test_a_recorded_command_that_is_none_does_not_stop_the_check(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    header = "# cudalock: Linux\n# command: cudalock solve torch --index-map nowhere=x\n"
    path.write_text(f"{header}torch==2.5.1\n", encoding="utf-8")
    assert run("check", str(path)).exit_code == 0


def test_fresh_locks_of_a_mirror(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    goal = shlex.split(GOALS[0])
    assert run("solve", *goal, *MAP, "--offline", "-q", "-o", str(path)).exit_code == 0
    assert run("check", "--fresh", str(path)).exit_code == 0


# -- the network --------------------------------------------------------------------------------


def test_the_mirror_is_queried_and_its_links_to_the_original_are_not_followed() -> None:
    wheel = build_wheel("torch", "2.5.1+cu124", "cp311-cp311-linux_x86_64")
    page = f'<a href="{PYTORCH}cu124/{wheel.name}#sha256={wheel.sha256}">{wheel.name}</a>'
    with ScriptedServer() as server:
        server.answers["/pt/cu124/torch/"] = [
            Answer(headers={"Content-Type": "text/html"}, body=page.encode())
        ]
        mirrors = read_mirrors([f"pytorch={server.url('/pt/')}"], names())
        with PackageIndexes(f"{PYTORCH}cu124", mirrors=mirrors) as indexes:
            address = indexes.find("torch", wheel.name, wheel.sha256)
        assert address.url == server.url(f"/pt/cu124/{wheel.name}")
        assert [request.path for request in server.asked] == ["/pt/cu124/torch/"]


@pytest.mark.parametrize(
    ("mirror", "sent"),
    [
        ("me:pw@", "me:pw"),
        ("me:${CUDALOCK_TEST_TOKEN}@", "me:hidden"),
        ("${CUDALOCK_TEST_TOKEN}@", "hidden:"),
        ("${CUDALOCK_TEST_UNSET}@", "${CUDALOCK_TEST_UNSET}:"),
        ("a%40b:p%2Fw@", "a@b:p/w"),
        ("", None),
    ],
)
def test_credentials_of_a_mirror(
    mirror: str, sent: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDALOCK_TEST_TOKEN", "hidden")
    with ScriptedServer() as server:
        server.answers["/pt/x.json"] = [Answer()]
        replacement = server.url("/pt/").replace("http://", f"http://{mirror}")
        mirrors = read_mirrors([f"pytorch={replacement}"], names())
        with Web(mirrors=mirrors) as web:
            web.get(mirrors.url(f"{PYTORCH}x.json"))
        header = server.asked[0].headers.get("authorization")
    expected = sent and f"Basic {base64.b64encode(sent.encode()).decode()}"
    assert header == expected


@pytest.mark.parametrize(("secret", "status"), [("", 0), ("me:pw@", 3)])
def test_a_mirror_of_a_file_store_says_what_it_lacks(
    secret: str, status: int, tmp_path: Path
) -> None:
    """PyTorch's index answers 403 for a project that it lacks, and so does a proxy of it. With
    credentials 403 may be a token that has expired."""
    wheel = build_wheel("numpy", "2.1.3")
    lock = tmp_path / "requirements.txt"
    with ScriptedServer() as server:
        server.answers["/pt/cu124/numpy/"] = [Answer(403)]
        page = f'<a href="{wheel.name}#sha256={wheel.sha256}">x</a>'.encode()
        html = {"Content-Type": "text/html"}
        server.answers["/main/numpy/"] = [Answer(headers=html, body=page)]
        server.answers[f"/main/numpy/{wheel.name}"] = [Answer(body=wheel.content)]
        lock.write_text(
            f"--index-url {server.url('/main/')}\n--extra-index-url {PYTORCH}cu124\n"
            f"numpy==2.1.3 --hash=sha256:{wheel.sha256}\n",
            encoding="utf-8",
        )
        mirror = server.url("/pt/").replace("http://", f"http://{secret}")
        words = ["-d", str(tmp_path / "w"), "--index-map", f"pytorch={mirror}"]
        result = run("fetch", str(lock), *words)
    assert result.exit_code == status, result.output


def test_secrets_go_to_their_mirror_alone() -> None:
    with ScriptedServer() as server:
        server.answers["/other/x.json"] = [Answer()]
        secret = server.url("/pt/").replace("http://", "http://me:pw@")
        mirrors = read_mirrors([f"pytorch={secret}"], names())
        with Web(mirrors=mirrors) as web:
            web.get(server.url("/other/x.json"))
        assert "authorization" not in server.asked[0].headers


def test_fetch_takes_the_wheels_of_the_mirror(tmp_path: Path) -> None:
    wheel = build_wheel("torch", "2.5.1+cu124", "cp311-cp311-linux_x86_64")
    flash = build_wheel("flash-attn", "2.7.4", "cp311-cp311-linux_x86_64")
    lock = tmp_path / "requirements.txt"
    with LocalIndex() as index:
        index.add("/pt/cu124/", wheel)
        index.release("/gh/a/b/", flash)
        lock.write_text(
            f"--index-url {PYTORCH}cu124\ntorch==2.5.1+cu124 --hash=sha256:{wheel.sha256}\n"
            f"flash-attn @ https://github.com/a/b/{flash.name} --hash=sha256:{flash.sha256}\n",
            encoding="utf-8",
        )
        maps = (f"pytorch={index.url('/pt/')}", f"github={index.url('/gh/')}")
        words = [word for text in maps for word in ("--index-map", text)]
        result = run("fetch", str(lock), "-d", str(tmp_path / "w"), *words)
    assert result.exit_code == 0, result.stderr
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "w").iterdir()]
    assert sorted(digests) == sorted([wheel.sha256 or "", flash.sha256 or ""])
