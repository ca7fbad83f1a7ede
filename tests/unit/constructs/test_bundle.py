"""What goes into a function's asset, and that it is the same everywhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from constructs_lib._bundle import collect
from tests.support.packages import FakeInstaller

ROOT = Path(__file__).parents[3]
HASHED = "greeting-words==2.1 --hash=sha256:" + "0" * 64 + "\n"


def written(source: Path, target: Path) -> dict[str, tuple[bytes, int]]:
    """Contents and mode of every file of the asset."""
    target.mkdir()
    collect(source).write(target)
    return {
        path.relative_to(target).as_posix(): (path.read_bytes(), path.stat().st_mode)
        for path in sorted(target.rglob("*"))
        if path.is_file()
    }


def copy_elsewhere(source: Path, elsewhere: Path) -> Path:
    """The same code in another checkout, later, by someone with another umask, after a test run."""
    root = shutil.copytree(source.parent, elsewhere / source.parent.name)
    for path in root.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o600)
    copy = root / source.name
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "handler.cpython-311.pyc").write_bytes(b"bytecode")
    return copy


@pytest.mark.requirement("LIB-02")
def test_the_same_code_elsewhere_is_the_same_asset(
    code: Path, installer: FakeInstaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Path, clock, umask, user and a package cache of one's own change neither the hash nor a byte of the asset."""
    (code / "requirements.txt").write_text(HASHED)
    first = written(code, tmp_path / "first")
    copy = copy_elsewhere(code, tmp_path / "home" / "someone")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another-cache"))

    assert collect(copy).fingerprint == collect(code).fingerprint
    assert written(copy, tmp_path / "second") == first
    assert len(installer.calls) == 4, "each cache installs both locks for itself"


def test_an_asset_holds_the_function_what_it_shares_the_runtime_and_packages(
    code: Path, installer: FakeInstaller, tmp_path: Path
) -> None:
    """Every module is in the asset under the name by which tests import it."""
    names = written(code, tmp_path / "asset").keys()
    assert {
        "code/__init__.py",
        "code/greet/__init__.py",
        "code/greet/handler.py",
        "code/shared/words.py",
        "constructs_lib/__init__.py",
        "constructs_lib/runtime/__init__.py",
        "aws_lambda_powertools/__init__.py",
    } <= names
    assert collect(code).handler == "code.greet.handler.handle"


@pytest.mark.parametrize(
    "handler",
    [
        "def handle(event, context):\n    return 1\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from aws_lambda_powertools import Logger\n",
        "from constructs_lib.runtime import queue_consumer\nhandle = queue_consumer(print)\n",
        "from constructs_lib.runtime import stream_consumer\nhandle = stream_consumer(print)\n",
    ],
)
def test_powertools_goes_only_where_it_is_imported(
    handler: str, code: Path, installer: FakeInstaller, tmp_path: Path
) -> None:
    """A consumer runs without it, so a function that does not name it starts without it: nothing is even installed."""
    (code / "handler.py").write_text(handler)
    assert not [name for name in written(code, tmp_path / "asset") if name.startswith("aws_lambda_powertools")]
    assert installer.calls == []


@pytest.mark.parametrize(
    "statement", ["import aws_lambda_powertools.metrics", "from aws_lambda_powertools import Logger"]
)
def test_powertools_goes_where_shared_code_imports_it(
    statement: str, code: Path, installer: FakeInstaller, tmp_path: Path
) -> None:
    """What the handler imports by way of others counts too, inside of functions as well."""
    (code / "handler.py").write_text("from ..shared import words\n\n\ndef handle(event, context): ...\n")
    (code.parent / "shared" / "words.py").write_text(f"def speak():\n    {statement}\n")
    assert "aws_lambda_powertools/__init__.py" in written(code, tmp_path / "asset")


def test_an_asset_holds_nothing_else(code: Path, installer: FakeInstaller, tmp_path: Path) -> None:
    """Tests, bytecode, locks, other functions, constructs and installers' notes stay at home."""
    for name in (
        "tests/test_greet.py",
        "__pycache__/handler.cpython-311.pyc",
        "handler.pyc",
        ".env",
        "requirements.in",
    ):
        (code / name).parent.mkdir(exist_ok=True)
        (code / name).write_text("not for Lambda")
    (code / "requirements.txt").write_text(HASHED)
    (code.parent / "other").mkdir()
    (code.parent / "other" / "handler.py").write_text("def handle(): ...")

    names = written(code, tmp_path / "asset").keys()

    assert [name for name in names if name.startswith("code/")] == [
        "code/__init__.py",
        "code/greet/__init__.py",
        "code/greet/handler.py",
        "code/shared/__init__.py",
        "code/shared/words.py",
    ]
    ours = [name for name in names if name.startswith("constructs_lib/")]
    assert all(name == "constructs_lib/__init__.py" or name.startswith("constructs_lib/runtime/") for name in ours)
    assert not [name for name in names if name.startswith(("bin/", "constructs_lib/runtime/functions/"))]
    assert not [
        name for name in names if name.endswith((".pyc", "RECORD", "INSTALLER", "requirements.txt", "py.typed"))
    ]


def test_what_lambda_brings_is_not_bundled(code: Path, installer: FakeInstaller, tmp_path: Path) -> None:
    """A package that AWS's runtime holds would only shadow it, so it is not even installed."""
    (code / "requirements.txt").write_text("boto3==1.43.106\nJMESPath==1.1.0\npython_dateutil==2.9.0\n")
    names = written(code, tmp_path / "asset").keys()
    assert not [name for name in names if name.startswith(("boto3", "jmespath", "JMESPath", "python_dateutil"))]


def test_only_what_a_function_uses_changes_its_hash(code: Path) -> None:
    """Its own code, shared code and its lock count; a neighbour and a comment in the lock do not."""
    before = collect(code).fingerprint
    (code.parent / "other").mkdir()
    (code.parent / "other" / "handler.py").write_text("def handle(): ...")
    assert collect(code).fingerprint == before

    seen = {before}
    (code / "requirements.txt").write_text("greeting-words==2.1\n")
    seen.add(collect(code).fingerprint)
    (code.parent / "shared" / "words.py").write_text("HELLO = 'good morning'\n")
    seen.add(collect(code).fingerprint)
    (code.parent / "shared" / "words.py").rename(code.parent / "shared" / "texts.py")
    seen.add(collect(code).fingerprint)
    (code / "handler.py").write_text("def handle(event, context): ...\n")
    seen.add(collect(code).fingerprint)
    assert len(seen) == 5

    locked = collect(code).fingerprint
    (code / "requirements.txt").write_text("# why we need it\ngreeting-words==2.1  # and this\n\n")
    assert collect(code).fingerprint == locked


BUILD = """
import hashlib, os, sys
from pathlib import Path
from constructs_lib import _bytecode
from constructs_lib._bundle import collect
os.umask(int(sys.argv[3], 8))
if sys.argv[4]:
    _bytecode.PYTHON = sys.argv[4]
bundle = collect(Path(sys.argv[1]))
target = Path(sys.argv[2])
target.mkdir()
bundle.write(target)
print(bundle.fingerprint)
for path in sorted(path for path in target.rglob("*") if path.is_file()):
    print(path.relative_to(target), oct(path.stat().st_mode), hashlib.sha256(path.read_bytes()).hexdigest())
"""
HERE = ".".join(map(str, sys.version_info[:2]))


@pytest.mark.requirement("LIB-02")
@pytest.mark.parametrize("python", ["", HERE], ids=["without bytecode", "with bytecode"])
def test_another_user_elsewhere_builds_the_same_asset(
    python: str, code: Path, installer: FakeInstaller, tmp_path: Path
) -> None:
    """Tree, home, umask, Python's own settings and the order of its sets differ; hash, names, modes and bytes do not."""
    copy = copy_elsewhere(code, tmp_path / "home" / "someone")

    def build(source: Path, name: str, umask: str, **environment: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(source), str(tmp_path / name), umask, python],
            env={
                "PATH": os.environ["PATH"],
                "UV": os.environ["UV"],
                "HOME": str(tmp_path / f"home of {name}"),
                **environment,
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()

    one = build(code, "one", "022", PYTHONHASHSEED="1")
    other = build(copy, "other", "077", PYTHONHASHSEED="2", PYTHONDONTWRITEBYTECODE="1")
    assert one == other
    assert len(one) > 60
    assert any(".pyc" in line for line in one) == bool(python)


def test_bytecode_goes_along_where_this_python_is_the_functions(
    code: Path, installer: FakeInstaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function starts from it though its sources have another date there, and its tracebacks name where they are."""
    without = collect(code).fingerprint
    monkeypatch.setattr("constructs_lib._bytecode.PYTHON", HERE)
    (code / "handler.py").write_text("from aws_lambda_powertools import version\n\n\ndef handle(*_):\n    1 / 0\n")
    names = written(code, tmp_path / "asset").keys()

    tag = sys.implementation.cache_tag
    assert {
        f"code/greet/__pycache__/handler.{tag}.pyc",
        f"constructs_lib/runtime/__pycache__/envelope.{tag}.pyc",
        f"aws_lambda_powertools/__pycache__/__init__.{tag}.pyc",
    } <= names
    assert collect(code).fingerprint != without
    for path in (tmp_path / "asset").rglob("*.py"):
        os.utime(path, (1, 1))
    (tmp_path / "asset" / "code" / "greet" / "handler.py").write_text("raise SystemExit('compiled anew')")
    program = "import code.greet.handler as made; print(made.handle.__code__.co_filename); made.handle()"
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, env={"PYTHONPATH": str(tmp_path / "asset")}, capture_output=True, text=True, check=False)
    assert "ZeroDivisionError" in done.stderr
    pyc = (tmp_path / "asset" / f"code/greet/__pycache__/handler.{tag}.pyc").read_bytes()
    assert b"/var/task/code/greet/handler.py" in pyc
    assert str(tmp_path).encode() not in pyc


def test_no_bytecode_goes_to_another_python(
    code: Path, installer: FakeInstaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be dead weight there."""
    monkeypatch.setattr("constructs_lib._bytecode.PYTHON", "3.99")
    assert not [name for name in written(code, tmp_path / "asset") if name.endswith(".pyc")]


def test_code_that_is_no_python_is_refused(code: Path) -> None:
    """The error names file and line, long before a function fails to start."""
    (code / "handler.py").write_text("import os\ndef handle(:\n")
    with pytest.raises(ValueError, match=r"source must be valid Python, got .*handler\.py, line 2"):
        collect(code)


def test_packages_are_fetched_once(
    code: Path, installer: FakeInstaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a lock was installed, a later bundle needs no installer and no network."""
    online = written(code, tmp_path / "online")
    offline = FakeInstaller(tmp_path, broken=True)
    monkeypatch.setenv("UV", str(offline.path))

    assert written(code, tmp_path / "offline") == online
    assert offline.calls == []


def test_a_failed_install_says_why_and_leaves_nothing_behind(
    code: Path, installer: FakeInstaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without network and without cache the error names the lock, and the next try starts afresh."""
    monkeypatch.setenv("UV", str(FakeInstaller(tmp_path, broken=True).path))
    with pytest.raises(RuntimeError, match=r"runtime/requirements\.txt.*no route to the package index"):
        collect(code).fetch()
    assert list((tmp_path / "cache" / "resilience" / "packages").iterdir()) == []

    monkeypatch.setenv("UV", str(installer.path))
    collect(code).fetch()


def test_packages_come_as_locked_and_bring_no_friends(code: Path, installer: FakeInstaller) -> None:
    """The installer resolves nothing, builds nothing, and checks every hash where the lock has them."""
    (code / "requirements.txt").write_text("greeting-words==2.1\n")
    collect(code).fetch()
    ours, own = installer.calls
    for call in (ours, own):
        assert {"--no-deps", "--only-binary=:all:"} <= set(call.split())
    assert "--require-hashes" in ours
    assert "--require-hashes" not in own


@pytest.mark.requirement("LIB-04")
@pytest.mark.parametrize(
    ("lock", "message"),
    [
        ("greeting-words>=2\n", r"must pin every package as name==version, got 'greeting-words>=2'.*uv pip compile"),
        ("greeting-words==2.*\n", r"got 'greeting-words==2\.\*'"),
        ("-r other.txt\n", r"got '-r other\.txt'"),
        ("--index-url https://example.com\n", r"got '--index-url https://example\.com'"),
        ("greeting-words @ https://example.com/a.whl\n", r"got 'greeting-words @"),
        (HASHED + "other==1\n", r"hashes on every line or on none, got none on 'other==1'"),
        ("typing_extensions==1.0\n", r"pins typing-extensions==1\.0, but .*==4.*pin the same version"),
    ],
)
def test_a_lock_that_leaves_something_open_is_refused(code: Path, lock: str, message: str) -> None:
    """What a function runs with is decided when it is locked, not when it is deployed."""
    (code / "requirements.txt").write_text(lock)
    with pytest.raises(ValueError, match=message):
        collect(code)


@pytest.mark.requirement("LIB-04")
def test_a_package_with_compiled_code_is_refused_by_name(code: Path, installer: FakeInstaller) -> None:
    """The error names the package that cannot run everywhere, and the way out; nothing of it is kept."""
    (code / "requirements.txt").write_text("speedy==1.0\n")
    for _attempt in range(2):
        with pytest.raises(
            ValueError, match=r"package speedy-1\.0, whose speedy/fast\.\S+\.so is compiled.*pure-Python"
        ):
            collect(code).fetch()


@pytest.mark.requirement("LIB-04")
def test_compiled_code_in_the_source_is_refused(code: Path) -> None:
    """A library that was copied beside the handler is found before it is deployed."""
    (code / "libfast.so.1").write_bytes(b"machine code")
    with pytest.raises(
        ValueError, match=r"source must be pure Python, got the compiled file code/greet/libfast\.so\.1"
    ):
        collect(code)


@pytest.mark.requirement("LIB-04")
def test_a_source_that_is_none_is_refused(code: Path, tmp_path: Path) -> None:
    """A folder that is missing, has no handler, or cannot be imported gets a sentence of its own."""
    with pytest.raises(ValueError, match=r"source must be a folder, got '.*nowhere', which is none"):
        collect(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"source must hold a handler\.py with a function 'handle'"):
        collect(code.parent / "shared")
    renamed = code.rename(code.parent / "greet-people")
    with pytest.raises(ValueError, match=r"that Python can import.*got 'greet-people'"):
        collect(renamed)


@pytest.mark.requirement("LIB-04")
def test_a_machine_without_installer_gets_told(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither uv nor pip is to be had, the error says which to bring."""
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("constructs_lib._packages.find_spec", lambda _name: None)
    with pytest.raises(RuntimeError, match=r"needs uv or pip.*install uv, or set UV"):
        collect(code).fetch()


def test_a_function_of_the_library_keeps_its_import_name(installer: FakeInstaller, tmp_path: Path) -> None:
    """What a construct owns runs under the name it has in the library."""
    library = Path(__file__).parents[3] / "constructs_lib"
    health = library / "runtime" / "functions" / "health"
    assert collect(health).handler == "constructs_lib.runtime.functions.health.handler.handle"
    names = written(health, tmp_path / "asset").keys()
    assert {
        "constructs_lib/runtime/functions/__init__.py",
        "constructs_lib/runtime/functions/health/handler.py",
    } <= names
