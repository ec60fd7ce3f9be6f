"""The broker's programs: fetched once by Maven from the pinned list in ``pom.xml``."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from infra.errors import LocalStackFailed, ProgramMissing

POM = Path(__file__).with_name("pom.xml")
JAVA_VERSION = 17
INSTALL_S = 600.0

_INSTALL = "Install both with e.g. `apt-get install openjdk-17-jre-headless maven`, or name a broker in MILLRACE_KAFKA."


def java() -> str:
    """Find the Java that runs the broker.

    Raises:
        ProgramMissing: If there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise ProgramMissing(f"Kafka needs Java {JAVA_VERSION} or newer and there is none", _INSTALL)
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < JAVA_VERSION:
        raise ProgramMissing(f"Kafka needs Java {JAVA_VERSION} or newer, {found} is {told.splitlines()[:1]}", _INSTALL)
    return found


def fetch_jars(folder: Path) -> Path:
    """Make sure the jars are there; several processes may ask at once.

    Args:
        folder: Where jar folders live, one a version of the list.

    Returns:
        The folder with the jars.

    Raises:
        ProgramMissing: If Maven is needed and not installed.
        LocalStackFailed: If Maven cannot fetch them.
    """
    ready = folder / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    if ready.is_dir():
        return ready
    maven = shutil.which("mvn")
    if maven is None:
        raise ProgramMissing("Kafka is fetched with Maven and there is no mvn", _INSTALL)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _copy(maven, Path(scratch))
        arrived = Path(scratch) / "jars"
        try:
            arrived.rename(ready)
        except OSError:
            if not ready.is_dir():  # else another process was first
                raise
    return ready


def _copy(maven: str, scratch: Path) -> None:
    pom = shutil.copy(POM, scratch / "pom.xml")  # Maven writes beside it
    goal = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"
    command = [maven, "-q", "-B", "-f", str(pom), goal, f"-DoutputDirectory={scratch / 'jars'}"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S)
    except subprocess.TimeoutExpired as error:
        raise LocalStackFailed(
            f"Maven did not finish in {INSTALL_S:.0f} s", "Check the network and run it again."
        ) from error
    if told.returncode != 0:
        reason = next((line for line in told.stdout.splitlines() if "ERROR" in line), told.stderr.strip()[-300:])
        raise LocalStackFailed(f"Maven cannot fetch Kafka: {reason}", "Check the network and Maven's settings.xml.")
