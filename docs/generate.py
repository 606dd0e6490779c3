"""Write the pages that are made from the code: docs/commands.md and docs/configuration.md.

python docs/generate.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from polarbgb.cli.main import main
from polarbgb.config.text import Key, Part, parts, value_text
from polarbgb.expressions import FUNCTIONS

HERE = Path(__file__).parent
_MADE = "*Made from the code by `python docs/generate.py`.*"

_COMMANDS = f"""# Commands

What `--help` says of each. {_MADE}

Exit codes: 0 done, 1 a bug, 2 something that you can mend, said in one line. Results go to standard output, progress
to standard error; neither has colours where it is not a terminal, nor where `NO_COLOR` is set. `--json` prints the
result as one JSON object and nothing else, numbers that are not finite as null.

The shell completes verbs and options after

```
eval "$(_POLARBGB_COMPLETE=bash_source polarbgb)"      # bash: in ~/.bashrc
eval "$(_POLARBGB_COMPLETE=zsh_source polarbgb)"       # zsh: in ~/.zshrc
_POLARBGB_COMPLETE=fish_source polarbgb | source       # fish: in ~/.config/fish/config.fish
```
"""

_CONFIGURATION = f"""# Configuration

Every key, as the model in [polarbgb/config.py](../polarbgb/config.py) has it; units stand in the description.
{_MADE}

A configuration is a TOML file, an instrument each: [polar.toml](../configs/polar.toml),
[rhessi.toml](../configs/rhessi.toml), [nustar.toml](../configs/nustar.toml), or one of your own, begun by
`polarbgb config init mine.toml` ([another detector](detector.md)). `polarbgb config show -c mine.toml` prints it with
all defaults. On the command line `--set section.key=value` overrides a key for one run; the value is TOML:
`--set trigger.scales=[2,20]`.

A *column* is a branch of the tree (`glat`), an element of one (`rate[3]`) or derived. Expressions are arithmetic
(`+ - * / // % **`), comparisons, `and or not` (or `&& || !`), and the functions
{", ".join(FUNCTIONS)}.
"""


def commands() -> str:
    """Return the page of all commands."""
    return _COMMANDS + "".join(_helps())


def configuration() -> str:
    """Return the page of all keys of the configuration."""
    return _CONFIGURATION + "".join(_section(part) for part in parts())


def _helps() -> Iterator[str]:
    """Yield the help of every command, of groups after that of their own."""
    todo = [click.Context(main, info_name="polarbgb", terminal_width=92, **main.context_settings)]
    while todo:
        context = todo.pop(0)
        command = context.command
        yield f"\n## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
        if isinstance(command, click.Group):
            todo[:0] = [
                click.Context(one, parent=context, info_name=name) for name, one in sorted(command.commands.items())
            ]


def _section(part: Part) -> str:
    if not part.name:
        return "\n## Before all sections\n\n" + _table(part.keys)
    brackets = f"[[{part.name}]]" if part.repeated else f"[{part.name}]"
    need = "" if part.optional else " Required."
    own = " Keys are names of your own, values are expressions." if part.free else ""
    return f"\n## `{brackets}`\n\n{part.meaning}{need}{own}\n" + (f"\n{_table(part.keys)}" if part.keys else "")


def _table(keys: tuple[Key, ...]) -> str:
    rows = "".join(f"| `{key.name}` | {_cell(key.type)} | {_default(key)} | {_cell(key.meaning)} |\n" for key in keys)
    return f"| key | type | default | what it is |\n|---|---|---|---|\n{rows}"


def _default(key: Key) -> str:
    if key.required:
        return "**required**"
    return "-" if key.default is None else f"`{_cell(value_text(key.default))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    (HERE / "commands.md").write_text(commands(), encoding="utf-8")
    (HERE / "configuration.md").write_text(configuration(), encoding="utf-8")
