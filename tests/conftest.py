"""A small simulated mission and one run through all verbs, shared by the tests that only look."""

import shutil
from types import SimpleNamespace

import hypothesis
import pytest

import polarbgb
from polarbgb.io.atomic import atomic
from polarbgb.runs.folder import RunFolder

hypothesis.settings.register_profile("undisturbed", deadline=None)  # machines may be busy
hypothesis.settings.load_profile("undisturbed")

pytest_plugins = ["fixtures.counts", "fixtures.tables"]

_SETTINGS = (
    'features.columns=["glat", "glon", "fe_cosmic", "temperature", "B_r", "B_theta", "time_since_saa"]',
    'features.history=[{columns=["fe_cosmic"], means=[20]}]',
    "model.n_estimators=20",
    "model.n_estimators_per_bin=5",
    "model.learning_rate=0.3",
    "model.max_depth=4",
    "model.threads=1",
    "folds.count=3",
    "tune.trials=2",
    "tune.rows=5000",
    "explain.rows=200",
)


_SLOW = {"mission", "simulated", "results", "finished"}
"""Fixtures that take many seconds; tests that need one of them are slow."""
_SLOW_PLACES = (
    "bad_input",
    "plotting",
    "reporting",
    "simulation",
    "workflow",
    "test_cli",
    "test_scheduler",
    "test_contest",
    "test_docs",
    "test_fidelity",
    "test_other_physics",
    "test_peers",
    "test_publication",
    "test_tune",
    "test_tune_postgresql",
    "test_detector",
    "test_search",
)
"""Folders and modules of tests that run programs, draw figures, simulate missions or train many models."""

_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
"""A white pixel."""


def pytest_collection_modifyitems(items):
    """Mark the tests that take seconds as slow: ``pytest -m 'not slow'`` answers within a minute."""
    for item in items:
        slow_place = {item.path.parent.name, item.path.stem} & set(_SLOW_PLACES)
        if slow_place or _SLOW & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def undrawn(monkeypatch):
    """Write figures without drawing them, for tests that look at other things: drawing takes most of their time."""

    def written(_, path):
        with atomic(path) as temporary:
            temporary.write_bytes(_PNG)
        return path

    monkeypatch.setattr("polarbgb.workflow.figures.save_drawn", written)


@pytest.fixture(scope="session")
def settings():
    """Settings that make every verb end within seconds."""
    return _SETTINGS


@pytest.fixture(scope="session")
def small(settings):
    """POLAR's configuration with these settings."""
    return polarbgb.load("configs/polar.toml", settings)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """Half a day of simulated POLAR, more than six orbits."""
    return polarbgb.simulate(tmp_path_factory.mktemp("mission") / "nf1rate.root", days=0.5, seed=3)


@pytest.fixture(scope="session")
def mission(simulated):
    """Its file; not to be written to."""
    return simulated.path


@pytest.fixture(scope="session")
def results(tmp_path_factory, simulated, mission, small):
    """What each verb returned on that mission, and what explain announced."""
    run = RunFolder(tmp_path_factory.mktemp("results") / "run")
    announced = []
    return SimpleNamespace(
        simulate=simulated,
        inspect=polarbgb.inspect(small, path=mission),
        tune=polarbgb.tune(small, run, path=mission),
        fit=polarbgb.fit(small, run, path=mission),
        # Half a day and so rough a model hold few surprises: at the usual thresholds there is nothing to look at.
        detect=polarbgb.detect(run, far=30.0, overrides=["intervals.sigma=4"]),
        explain=polarbgb.explain(run, announce=lambda *said: announced.append(said)),
        export=polarbgb.export(run),
        announced=announced,
    )


@pytest.fixture(scope="session")
def finished(results):
    """The run folder in which every verb is done; not to be written to."""
    return results.fit.run


@pytest.fixture
def copied(finished, tmp_path):
    """The same folder, one's own."""
    return RunFolder(shutil.copytree(finished.path, tmp_path / "copied"))
