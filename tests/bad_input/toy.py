"""A tiny detector: a file of a thousand good rows and its configuration, to be spoilt one way at a time."""

import copy

import numpy as np
import tomlkit
import uproot

ROWS = 1000
TREE = "rows"
START = 1483228800.0
"""2017-01-01, unix seconds."""
PERIOD = 100.0
"""s: ten orbits, so that folds can be made of them."""


CONFIG = {
    "name": "Toy",
    "input": {"path": "rows.root", "tree": TREE, "time": "unix_time", "cadence": 1.0},
    "rates": {"values": ["rate[0:2]"], "errors": ["err[0:2]"], "labels": ["soft", "hard"], "exposure": "live"},
    "derived": {"turn": "unix_time//100"},
    "filters": {"switched on": "hv > 500"},
    "features": {
        "columns": ["glat", "temperature", "turn"],
        "history": [{"columns": ["temperature"], "lags": [5.0], "differences": [5.0], "means": [5.0], "guard": 1.0}],
        "passage": [10.0, 50.0],
    },
    "position": {"latitude": "glat", "longitude": "glon"},
    "orbit": {"period": PERIOD, "epoch": START, "first": 0},
    "known_events": {"file": "known.csv", "time": "unix_time", "name": "name", "before": 3.0, "after": 3.0},
    "folds": {"count": 3, "embargo": 2.0},
    "model": {"n_estimators": 3, "max_depth": 2, "threads": 1, "early_stopping_rounds": 2, "min_child_weight": 5.0},
    "cleaning": {"rounds": 0},
    "intervals": {"more_than": 0, "discard": 2.0, "longest": 10.0, "context": ["glat"]},
    "tune": {"trials": 1, "rows": 1000},
}
KNOWN = "name,unix_time\nGRB 170101A,1483228900.5\n"


def columns(rows=ROWS):
    """Return the branches of a good file, each of ``rows`` rows of 1 s."""
    rng = np.random.default_rng(1)
    rate = np.column_stack([400 + 50 * np.sin(np.arange(rows) / 16), 100 + np.zeros(rows), np.full(rows, 7.0)])
    counts = rng.poisson(rate).astype(float)
    return {
        "unix_time": START + np.arange(rows),
        "rate": np.maximum(counts, 1),
        "err": np.sqrt(np.maximum(counts, 1)),
        "live": np.ones(rows),
        "hv": np.full(rows, 800, np.int32),
        "glat": (42 * np.sin(np.arange(rows) / 16)).astype(np.float32),
        "glon": np.linspace(-180, 179, rows).astype(np.float32),
        "temperature": 20 + rng.normal(size=rows),
        "up": rng.random(rows) < 0.5,
    }


def spoilt(changes, rows=ROWS):
    """Return good branches with some replaced, dropped (None), or changed at some places ({row: value})."""
    branches = columns(rows)
    for name, change in changes.items():
        if change is None:
            del branches[name]
        elif isinstance(change, dict):
            branches[name] = branches[name].astype(float)
            for place, value in change.items():
                branches[name][place] = value
        else:
            branches[name] = change
    return branches


def write(path, branches, tree=TREE, parts=1):
    """Write branches as a TTree, in so many baskets."""
    path.unlink(missing_ok=True)  # to write over a file waits for the disk
    with uproot.recreate(path) as file:
        types = {
            name: "string" if isinstance(v, list) else np.dtype((v.dtype, v.shape[1:])) for name, v in branches.items()
        }
        made = file.mktree(tree, types)
        length = len(next(iter(branches.values())))
        for some in np.array_split(np.arange(length), parts):
            if len(some):
                made.extend({name: v[some[0] : some[-1] + 1] for name, v in branches.items()})
    return path


def configured(*changes):
    """Return the configuration with some of it changed: (("section", "key"), value) pairs; a value of None drops."""
    raw = copy.deepcopy(CONFIG)
    for place, value in changes:
        table = raw
        for step in place[:-1]:
            table = table.setdefault(step, {}) if isinstance(table, dict) else table[step]
        if value is None:
            del table[place[-1]]
        else:
            table[place[-1]] = value
    return raw


def toml(raw):
    """Return a configuration as TOML."""
    return tomlkit.dumps(raw)
