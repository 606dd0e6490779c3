"""Write the pages that are generated from the code: docs/commands.md and docs/configuration.md.

python docs/generate.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from polarbgb.cli.main import main
from polarbgb.config.text import Key, SectionText, sections, value_text
from polarbgb.expressions import FUNCTIONS

HERE = Path(__file__).parent
_GENERATED = "*Generated from the code by `python docs/generate.py`.*"

_COMMANDS = f"""# Commands

The output of `--help` for each command. {_GENERATED}

Exit codes: 0 success, 1 a bug, 2 an error that you can correct, described in one line. Results go to standard output
and progress to standard error; neither is coloured if it is not a terminal or if `NO_COLOR` is set. `--json` prints
the result as one JSON object and nothing else; numbers that are not finite become null.

To let the shell complete commands and options:

```
eval "$(_POLARBGB_COMPLETE=bash_source polarbgb)"      # bash: in ~/.bashrc
eval "$(_POLARBGB_COMPLETE=zsh_source polarbgb)"       # zsh: in ~/.zshrc
_POLARBGB_COMPLETE=fish_source polarbgb | source       # fish: in ~/.config/fish/config.fish
```
"""

_CONFIGURATION = f"""# Configuration

Every key of the schema in [`polarbgb.config`](api/config.md); units are in the description.
{_GENERATED}

A configuration is a TOML file, one per instrument: `configs/polar.toml`, `configs/rhessi.toml`, `configs/nustar.toml`,
or your own, which `polarbgb config init mine.toml` starts ([another detector](detector.md)).
`polarbgb config show -c mine.toml` prints it with all defaults. On the command line `--set section.key=value` overrides
a key for one run, once; the value is TOML: `--set trigger.scales=[2,20]`.

A *column* is a branch of the tree (`glat`), an element of one (`rate[3]`, `grd.rate[3][1]`), a leaf or a member
(`orbit.glat`), a branch of a friend (`hk.B_r`; [more](detector.md#files-and-columns)), or derived. A branch may have
any name. In a list of columns, one index can be a slice: `rate[0:12]` and `rate[0:12][1]` stand for 12 columns each.
Expressions consist of arithmetic (`+ - * / // % **`), comparisons, `and or not` (or `&& || !`), and the functions
{", ".join(FUNCTIONS)}. A column whose name is not made of words and dots stands in backticks in them:
`` `temp<1>` > 3 and orbit.glat < 30 ``.
"""


def commands() -> str:
    """Return the page of all commands."""
    return _COMMANDS + "".join(_helps())


def configuration() -> str:
    """Return the page of all keys of the configuration."""
    return _CONFIGURATION + "".join(_section(section) for section in sections())


def _helps() -> Iterator[str]:
    """Yield the help of every command; the commands of a group follow it."""
    contexts = [click.Context(main, info_name="polarbgb", terminal_width=92, **main.context_settings)]
    while contexts:
        context = contexts.pop(0)
        command = context.command
        yield f"\n## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            contexts[:0] = [
                click.Context(subcommand, parent=context, info_name=name)
                for name, subcommand in sorted(command.commands.items())
            ]


def _section(section: SectionText) -> str:
    if not section.name:
        return "\n## Outside all sections\n\n" + _table(section.keys)
    brackets = f"[[{section.name}]]" if section.repeated else f"[{section.name}]"
    required = "" if section.optional else " Required."
    free = " Keys are names of your choice, values are expressions." if section.free else ""
    table = f"\n{_table(section.keys)}" if section.keys else ""
    return f"\n## `{brackets}`\n\n{section.meaning}{required}{free}\n{table}"


def _table(keys: tuple[Key, ...]) -> str:
    rows = "".join(f"| `{key.name}` | {_cell(key.type)} | {_default(key)} | {_cell(key.meaning)} |\n" for key in keys)
    return f"| key | type | default | description |\n|---|---|---|---|\n{rows}"


def _default(key: Key) -> str:
    if key.required:
        return "**required**"
    return "-" if key.default is None else f"`{_cell(value_text(key.default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    (HERE / "commands.md").write_text(commands(), encoding="utf-8")
    (HERE / "configuration.md").write_text(configuration(), encoding="utf-8")
