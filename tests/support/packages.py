"""An installer that needs no network: it makes up the packages a lock asks for, as untidily as a real one."""

import sys
from pathlib import Path

# Differs from run to run where real installers do: bytecode, scripts, and notes about itself.
_SCRIPT = """#!{python}
import os, pathlib, re, sys
arguments = sys.argv[1:]
pathlib.Path({log!r}).open("a").write(" ".join(arguments) + "\\n")
if {broken!r}:
    sys.exit("error: no route to the package index")
target = pathlib.Path(arguments[arguments.index("--target") + 1])
lines = pathlib.Path(arguments[arguments.index("-r") + 1]).read_text().splitlines()
for line in lines:
    name, version = re.match(r"([^=\\[]+).*?==([^ ;]+)", line).groups()
    folder = target / name.replace("-", "_")
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__init__.py").write_text(f"version = {{version!r}}")
    (folder / "__pycache__" / "__init__.cpython-311.pyc").write_text(str(os.getpid()))
    info = target / f"{{folder.name}}-{{version}}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {{name}}")
    (info / "INSTALLER").write_text(str(os.getpid()))
    record = [f"{{folder.name}}/__init__.py,,", f"../../bin/{{name}},{{os.getpid()}},"]
    if name == "speedy":
        (folder / "fast.cpython-313-aarch64-linux-gnu.so").write_text("machine code")
        record.append(f"{{folder.name}}/fast.cpython-313-aarch64-linux-gnu.so,,")
    (info / "RECORD").write_text("\\n".join(record))
    (target / "bin").mkdir(exist_ok=True)
    (target / "bin" / name).write_text(f"#!{{sys.executable}} {{os.getpid()}}")
"""


class FakeInstaller:
    """Stands in for uv: set the environment variable UV to `path`."""

    def __init__(self, folder: Path, *, broken: bool = False) -> None:
        self.path = folder / ("broken-installer" if broken else "installer")
        self._log = folder / f"{self.path.name}.log"
        self.path.write_text(_SCRIPT.format(python=sys.executable, log=str(self._log), broken=broken))
        self.path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """Arguments of every call so far."""
        return self._log.read_text().splitlines() if self._log.exists() else []
