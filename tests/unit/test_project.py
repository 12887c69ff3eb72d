"""What must be the same in several files of the project, and what must not be in any."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import cellray

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked(pattern: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", pattern], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_one_version() -> None:
    package = json.loads((ROOT / "labextension" / "package.json").read_text())
    assert cellray.__version__ == PYPROJECT["project"]["version"] == package["version"]


def test_supported_pythons_are_the_same_everywhere() -> None:
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(PYPROJECT["project"]["classifiers"]))
    tried = re.search(r"^SUPPORTED=\((.*)\)$", (ROOT / "tools" / "fast_tests_on.sh").read_text(), re.MULTILINE)
    assert tried is not None
    assert tried[1].split() == declared
    oldest, newest = declared[0], declared[-1]
    assert PYPROJECT["project"]["requires-python"] == f">={oldest},<3.{int(newest[2:]) + 1}"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == oldest


def test_the_version_is_in_the_changelog_or_unreleased() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in changelog or f"## [{cellray.__version__}]" in changelog


def test_locks_name_no_registry() -> None:
    # A lock file with addresses in it builds only where those addresses are reachable.
    lock = (ROOT / "labextension" / "yarn.lock").read_text()
    assert not re.search(r"https?://", lock)


def test_readme_links_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in tracked("*.md")
        for link in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert not broken, "\n".join(broken)
