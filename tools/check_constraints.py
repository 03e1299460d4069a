"""Check constraints-oldest.txt against settings.ini: `python tools/check_constraints.py`.

For each Python that is promised, every requirement of the library and its extras has one oldest release, which fits; and
where settings.ini names a lower bound, some Python is tested with just that release.
"""
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from render import cfg, root

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def requirements() -> list[Requirement]:
    "What settings.ini asks for, but for the developers' tools."
    keys = [key for key in cfg if key.endswith("requirements") and not key.startswith("dev")]
    return [Requirement(word) for key in keys for word in cfg[key].split()]


def pins(python: str, lines: list[str]) -> dict[str, str]:
    "Versions by name, of a constraints file on a Python. Raises ValueError for two of one package."
    found = {}
    for line in lines:
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate({"python_version": python, "python_full_version": f"{python}.0"}):
            name = canonicalize_name(pin.name)
            if name in found:
                raise ValueError(f"{name} has two versions on Python {python}")
            found[name] = str(pin.specifier).removeprefix("==")
    return found


def faults(lines: list[str]) -> list[str]:
    "What is wrong, in words."
    found, tested = [], {python: pins(python, lines) for python in PYTHONS}
    for wanted in requirements():
        name = canonicalize_name(wanted.name)
        versions = {python: tested[python].get(name) for python in PYTHONS}
        for python, version in versions.items():
            if version is None or version not in wanted.specifier:
                found.append(f"{wanted} on Python {python}: {version or 'no version'} is tested")
        bounds = [bound.version for bound in wanted.specifier if bound.operator == ">="]
        exact = [version for version in versions.values() if version and Version(version) in map(Version, bounds)]
        if bounds and not exact:
            found.append(f"{wanted} promises {bounds[0]}, which no Python is tested with")
    return found


if __name__ == "__main__":
    text = (root / "constraints-oldest.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    wrong = faults(lines)
    planted = faults([line.replace("torch==2.6.0", "torch==2.5.0") for line in lines])
    if len(planted) <= len(wrong):
        wrong.append("a release that is too old was not found")
    print("\n".join(wrong) or f"{len(lines)} releases fit")
    sys.exit(bool(wrong))
