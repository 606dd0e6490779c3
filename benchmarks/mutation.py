"""Mutation testing: small faults are put into a copy of the package, and a module's own tests are to notice.

It needs cosmic-ray (``pip install cosmic-ray==8.7.0``) beside the test extra. Run it from the root of the repository:

- ``python benchmarks/mutation.py data features -o whole.json``: every fault of two packages,
- ``python benchmarks/mutation.py transients --sample 25 -o sample.json``: 25 faults of each module, drawn by seed,
- ``python benchmarks/mutation.py --again whole.json -o after.json``: the faults that went unnoticed once more, as long
  as the package itself has not changed.

The faults are those of cosmic-ray, of its many replacements of an operator one or two each (``+`` by ``-``, ``<`` by
``<=`` and ``>=``): most others end in a TypeError at once and would flatter the score. Annotations and ``raise``
statements are left alone. The faults live in a temporary copy of the files that git knows of, never in the checkout.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome

TESTED_ELSEWHERE = {
    "data/calendar": "data/test_quality.py",
    "transients/compiled": "transients/test_focus.py",
    "transients/fixed_windows": "validation/test_efficiency.py -k fixed",
    "transients/hit_patterns": "transients/test_injection.py -k 'share or apart or nothing or spectrum'",
    "transients/local_baseline": "transients/test_windows.py",
    "transients/rows": "transients/test_published.py",
    "transients/settings": "transients/test_search.py",
    "validation/logistic": "validation/test_efficiency.py -k 'line or sharp or likely or fluence or interval'",
}
"""Modules whose tests stand in the file of another; all others have a file of their name."""

SETTLED = re.compile(
    r"NumberReplacer|AddNot|ZeroIterationForLoop|ExceptionReplacer|Replace(True|False|And|Or|Break|Continue)With\w+"
    r"|ReplaceUnaryOperator_Delete_\w+"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Div|Mod_Div|Pow_Mul|BitOr_BitAnd|BitAnd_BitOr"
    r"|LShift_RShift|RShift_LShift)"
    r"|ReplaceComparisonOperator_(Lt_LtE|Lt_GtE|LtE_Lt|LtE_Gt|Gt_GtE|Gt_LtE|GtE_Gt|GtE_Lt|Eq_NotEq|NotEq_Eq|Is_IsNot"
    r"|IsNot_Is)"
)
"""Operators of cosmic-ray that are used."""


@contextlib.contextmanager
def copied() -> Iterator[Path]:
    """Work in a copy of the files that git knows of, beside a link to the data that the tests look for."""
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout  # noqa: S607
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "tree"
        for name in listed.rstrip("\0").split("\0"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, root / name)
        if Path("../shared").exists():
            (Path(folder) / "shared").symlink_to(Path("../shared").resolve())
        with contextlib.chdir(root):
            yield root


def faults_of(module: Path) -> list[MutationSpec]:
    """Return all faults that can be put into a module, in the order of its text."""
    text = module.read_text()
    lines = text.splitlines()
    left_alone = [
        ((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset))
        for node in ast.walk(ast.parse(text))
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None), node)
        if part is not None and (part is not node or isinstance(node, ast.Raise))
    ]
    with tempfile.TemporaryDirectory() as folder, use_db(str(Path(folder) / "faults.sqlite")) as found:
        init([module], found, {})
        faults = [item.mutations[0] for item in found.work_items]
    chosen = [
        fault
        for fault in faults
        if SETTLED.fullmatch(fault.operator_name.removeprefix("core/"))
        and not any(first <= fault.start_pos < last for first, last in left_alone)
        and not lines[fault.start_pos[0] - 1].startswith("*,", fault.start_pos[1])  # keyword-only from here, no product
    ]
    return sorted(chosen, key=lambda fault: (fault.start_pos, fault.operator_name, fault.occurrence))


def command_of(module: Path) -> str:
    """Return the command that runs the tests of a module."""
    name = str(module.relative_to("polarbgb").with_suffix(""))
    tests = TESTED_ELSEWHERE.get(name, f"{module.parent.name}/test_{module.stem}.py")
    plugins = "-p no:cacheprovider -p _hypothesis_pytestplugin --hypothesis-seed=0"
    return f"{sys.executable} -m pytest -x -q {plugins} tests/{tests}"


def key_of(fault: MutationSpec) -> str:
    """Name a fault by module, kind and number."""
    return f"{fault.module_path} {fault.operator_name} {fault.occurrence}"


def judge(module: Path, faults: list[MutationSpec]) -> dict[str, dict[str, object]]:
    """Put each fault into the module by itself, run its tests, and return what came of it."""
    command = command_of(module)
    # Twice: the first run leaves compiled files, which those of cosmic-ray only read.
    for _ in range(2):
        started = time.monotonic()
        sound = subprocess.run(shlex.split(command), check=False, capture_output=True, text=True)
        if sound.returncode:
            raise SystemExit(f"{module}: its tests fail without any fault\n{sound.stdout}")
    limit = 10 + 4 * (time.monotonic() - started)
    results = {}
    for fault in faults:
        result = mutate_and_test([fault], command, limit)
        noticed = result.test_outcome is not TestOutcome.SURVIVED
        results[key_of(fault)] = {
            "module": str(module),
            "line": fault.start_pos[0],
            "noticed": noticed,
            "slow": result.output == "timeout",
            "diff": "" if noticed else result.diff,
        }
    return results


@click.command(context_settings={"show_default": True})
@click.argument("places", nargs=-1)
@click.option("--sample", default=0, help="Faults of a module, drawn at random; 0 for all.")
@click.option("--seed", default=0, help="Seed of the draw.")
@click.option("--again", type=click.Path(exists=True, path_type=Path), help="Try the unnoticed faults of this result.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="JSON file, a fault an entry.")
def main(*, places: tuple[str, ...], sample: int, seed: int, again: Path | None, out: Path) -> None:
    """Put faults into PLACES (packages such as 'data', or modules such as 'transients/match')."""
    results = json.loads(again.read_text()) if again else {}
    out = out.resolve()
    # Plugins that no test here needs take half of the time that most runs take.
    os.environ.update(OMP_NUM_THREADS="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    with copied():
        modules = sorted({Path(entry["module"]) for entry in results.values()})
        for place in places:
            under = Path("polarbgb") / place
            modules += sorted(p for p in under.glob("*.py") if p.name != "__init__.py") or [under.with_suffix(".py")]
        for module in modules:
            faults = faults_of(module)
            possible = len(faults)
            if again:
                faults = [f for f in faults if not results.get(key_of(f), {"noticed": True})["noticed"]]
            elif 0 < sample < possible:
                faults = random.Random(f"{seed} {module}").sample(faults, sample)  # noqa: S311
            started = time.monotonic()
            results |= judge(module, faults)
            entries = [entry for entry in results.values() if entry["module"] == str(module)]
            noticed = sum(bool(entry["noticed"]) for entry in entries)
            took = time.monotonic() - started
            print(f"{module}: {noticed} of {len(entries)} noticed, of {possible} possible; {took:.0f} s", flush=True)
            out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
