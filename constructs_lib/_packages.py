"""Locked Python packages for a function: installed once per lock into the user's cache, used from there ever after."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from constructs_lib import _bytecode

# Part of the cache key, as is the function's Python: what is installed depends on them.
_LAYOUT = "1"

# In AWS's Python runtime already, with bytecode; a bundled copy would shadow it and slow the cold start.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
IN_LAMBDA = frozenset({"boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six"})

_PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==(?P<version>[^\s;*]+)(\s*;[^#]*?)?(\s+--hash=\S+)*"
)
_COMPILED = {".so", ".pyd", ".dylib", ".dll"}
# What an installer writes about itself: differs by tool, path or time and serves nobody in Lambda.
_INSTALLER_NOTES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What a requirements file pins, without what AWS's runtime already holds.

    Attributes:
        path: The file, for messages.
        lines: One requirement each, pin, marker and hashes included, sorted.
        versions: Pinned version by normalized package name; a name pinned twice by markers has both, comma-separated.
    """

    path: Path
    lines: tuple[str, ...]
    versions: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """Changes when, and only when, other packages would be installed."""
        key = (_LAYOUT, _bytecode.PYTHON, *filter(None, (_bytecode.kind(),)), *self.lines)
        return hashlib.sha256("\n".join(key).encode()).hexdigest()


def read_lock(path: Path) -> Lock:
    """Read a requirements file in which every line is pinned.

    Raises:
        ValueError: If a line does not pin an exact version, or only some of them carry hashes.
    """
    lines: list[str] = []
    versions: dict[str, str] = {}
    for line in _logical_lines(path.read_text(encoding="utf-8")):
        pin = _PINNED.fullmatch(line)
        if pin is None:
            raise ValueError(
                f"{path} must pin every package as name==version, got {line!r}; "
                "write it with: uv pip compile --generate-hashes --no-emit-index-url"
            )
        name = re.sub(r"[-_.]+", "-", pin["name"]).lower()
        if name not in IN_LAMBDA:
            lines.append(line)
            versions[name] = ",".join(filter(None, (versions.get(name), pin["version"])))
    hashed = [line for line in lines if "--hash=" in line]
    if hashed and len(hashed) != len(lines):
        bare = next(line for line in lines if line not in hashed)
        raise ValueError(f"{path} must have hashes on every line or on none, got none on {bare!r}; lock it anew")
    return Lock(path=path, lines=tuple(sorted(lines)), versions=versions)


def check_agreement(first: Lock, second: Lock) -> None:
    """Refuse two locks that pin different versions of one package: only one of them can be in the bundle.

    Raises:
        ValueError: Naming the package and both versions.
    """
    for name in sorted(first.versions.keys() & second.versions.keys()):
        if first.versions[name] != second.versions[name]:
            raise ValueError(
                f"{second.path} pins {name}=={second.versions[name]}, but {first.path} pins "
                f"{name}=={first.versions[name]} and both go into one bundle; pin the same version"
            )


def installed(lock: Lock) -> Path:
    """Folder with the packages of *lock*, without installers' notes. Needs the network only the first time.

    Raises:
        ValueError: If a package holds compiled code.
        RuntimeError: If there is no installer, or it fails.
    """
    folder = _cache() / lock.fingerprint
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".installing-") as work:
        target = Path(work) / "packages"
        target.mkdir()
        if lock.lines:
            _install(lock, Path(work), target)
        _refuse_compiled(lock, target)
        _strip(target)
        _bytecode.add(target, (path.relative_to(target).as_posix() for path in sorted(target.rglob("*.py"))))
        try:
            target.rename(folder)
        except OSError:
            # Someone else was quicker with the same lock; theirs is as good.
            if not folder.is_dir():
                raise
    return folder


def is_compiled(path: Path) -> bool:
    """Whether a file holds machine code, which runs on one architecture only."""
    return not _COMPILED.isdisjoint(path.suffixes)


def _logical_lines(text: str) -> list[str]:
    joined = re.sub(r"\\\r?\n", " ", text)
    stripped = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [re.sub(r"\s+", " ", line) for line in stripped if line]


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "resilience" / "packages"


def _install(lock: Lock, work: Path, target: Path) -> None:
    requirements = work / "requirements.txt"
    requirements.write_text("\n".join(lock.lines) + "\n", encoding="utf-8")
    command = [*_installer(), "--quiet", "--no-deps", "--only-binary=:all:", "--python-version", _bytecode.PYTHON]
    if "--hash=" in lock.lines[0]:
        command.append("--require-hashes")
    command += ["--target", str(target), "-r", str(requirements)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"could not install the packages of {lock.path} with {command[0]}: {done.stderr.strip()[-2000:]}; "
            "once installed they are kept, and no network is needed again"
        )


def _installer() -> list[str]:
    uv = [
        "pip",
        "install",
        "--python-platform",
        "aarch64-manylinux2014",
        "--link-mode",
        "copy",
        "--no-compile-bytecode",
    ]
    if executable := os.environ.get("UV") or shutil.which("uv"):
        return [executable, *uv]
    if find_spec("uv"):
        return [sys.executable, "-m", "uv", *uv]
    if find_spec("pip"):
        options = ("--disable-pip-version-check", "--no-compile", "--platform", "manylinux2014_aarch64")
        return [sys.executable, "-m", "pip", "install", *options]
    raise RuntimeError(
        f"bundling a function needs uv or pip, and {sys.executable} has neither; "
        "install uv, or set UV to the path of its executable"
    )


def _refuse_compiled(lock: Lock, target: Path) -> None:
    for path in sorted(target.rglob("*")):
        if is_compiled(path):
            raise ValueError(
                f"{lock.path} brings the package {_owner(path, target)}, whose {path.relative_to(target)} is compiled "
                "code; one bundle serves every architecture, so use a pure-Python package or version instead"
            )


def _owner(path: Path, target: Path) -> str:
    name = path.relative_to(target).as_posix()
    for record in target.glob("*.dist-info/RECORD"):
        if any(line.startswith(f"{name},") for line in record.read_text(encoding="utf-8").splitlines()):
            return record.parent.name.removesuffix(".dist-info")
    return name.split("/")[0]


def _strip(target: Path) -> None:
    for cache in list(target.rglob("__pycache__")):
        shutil.rmtree(cache)
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)
    for info in target.glob("*.dist-info"):
        for note in _INSTALLER_NOTES:
            (info / note).unlink(missing_ok=True)
