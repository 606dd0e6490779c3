"""A command that refuses an option given twice, of which click would silently take the last."""

from __future__ import annotations

from collections import Counter
from functools import partial

import click


class OnceCommand(click.Command):
    """A command whose options are given at most once, except flags and those that collect a list."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments.

        Raises:
            click.UsageError: if an option is given twice.
        """
        if not ctx.resilient_parsing:
            _, _, given = self.make_parser(ctx).parse_args(args=list(args))
            for param, times in Counter(given).items():
                single = isinstance(param, click.Option) and not (param.multiple or param.is_flag or param.count)
                if single and times > 1:
                    raise click.UsageError(f"{' / '.join(param.opts)} is given {times} times; give it once", ctx)
        return super().parse_args(ctx, args)


command = partial(click.command, cls=OnceCommand)
"""Decorator of every command."""
