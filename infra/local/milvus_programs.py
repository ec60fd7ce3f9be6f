"""Our own Milvus's programs: unpacked once from the ``milvus`` wheel."""

import lzma
import platform
import shutil
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from infra.errors import ProgramMissing
from infra.local.processes import exclusively

_OTHER = "Name a Milvus that runs elsewhere: MILLRACE_MILVUS=http://host:19530."


def unpack_programs(folder: Path) -> Path:
    """Make sure the programs are there; several processes may ask at once.

    Args:
        folder: Where folders of programs live, one a version.

    Returns:
        The folder with the programs.

    Raises:
        ProgramMissing: If the wheel is not installed, or has no programs for this machine.
    """
    found = find_spec("milvus")  # importing it would make folders
    if found is None or found.origin is None:
        raise ProgramMissing("Milvus is not installed", f"Install it with `pip install milvus==2.3.5`. {_OTHER}")
    packed = Path(found.origin).parent / "data"
    if not (packed / "bin" / "milvus.lzma").exists():
        machine = f"{platform.system()} on {platform.machine()}"
        raise ProgramMissing(f"there is no Milvus server for {machine}", _OTHER)
    ready = folder / metadata.version("milvus")
    with exclusively(folder / "unpacking.lock"):
        if not ready.is_dir():
            _unpack(packed, ready)
    return ready


def _unpack(packed: Path, ready: Path) -> None:
    with tempfile.TemporaryDirectory(dir=ready.parent) as scratch:
        arrived = Path(scratch) / "programs"
        arrived.mkdir()
        for source in sorted((packed / "bin").glob("*.lzma")):
            target = arrived / source.stem
            with lzma.open(source) as reader, target.open("wb") as writer:
                shutil.copyfileobj(reader, writer, 1 << 20)
            target.chmod(0o755)
        shutil.copy(packed / "glog.conf", arrived)
        arrived.rename(ready)  # all or nothing: a half unpacked folder would be taken for a whole one
