"""Every row of the file is accounted for, against the file itself."""

import numpy as np
import pytest
import uproot

import polarbgb
from polarbgb.errors import UserError
from polarbgb.io.root_output import root_file


def test_rows_add_up_to_those_of_the_file(results, mission):
    seen = results.inspect
    with uproot.open(mission) as file:
        tree = file["nf1rate"]
        rate, error = (tree[name].array(library="np")[:, [0, 1, 5, 6, 10, 12]] for name in ("rate", "rate_err"))
        names = tree.keys()
    with np.errstate(divide="ignore", invalid="ignore"):
        faint = ~(rate[:, 0] / error[:, 0] > 20)
    assert (error[faint] <= 0).any()
    assert seen.dropped == {"filter signal_to_noise: not rate[0]/rate_err[0] > 20": faint.sum()}
    assert seen.entries == len(rate) == seen.usable + sum(seen.dropped.values())
    assert [branch.name for branch in seen.branches] == names
    kept = ~faint
    for number, name in enumerate(["rate[0]", "rate[1]", "rate[5]", "rate[6]", "rate[10]", "rate[12]"]):
        expected = [*np.quantile(rate[kept, number], [0.05, 0.5, 0.95]), rate[kept, number].max()]
        np.testing.assert_allclose(seen.rates[name], expected, rtol=1e-6)
    # Live time is N/rate with N = (rate/error)^2, here of the mean bin.
    live = (rate[kept] / error[kept] ** 2).mean(axis=1).sum()
    assert seen.live == pytest.approx(live, rel=1e-6)
    assert seen.segments == 1 + sum(seen.gaps.values())


def test_rows_near_a_known_event_are_counted(mission, settings, tmp_path):
    with uproot.open(mission) as file:
        time = file["nf1rate"]["unix_time"].array(library="np")
    trigger = time[5000]
    (tmp_path / "known.csv").write_text(f"GRB_Name,unix_time,t90\nGRB X,{trigger},30\n")
    config = polarbgb.load("configs/polar.toml", [*settings, f"known_events.file={tmp_path / 'known.csv'}"])
    seen = polarbgb.inspect(config, path=mission)
    near = (time >= trigger - 100) & (time <= trigger + 30 + 100)
    assert abs(seen.known - near.sum()) <= 2


def test_a_file_without_a_usable_row_is_told(mission, tmp_path, small):
    with uproot.open(mission) as file:
        columns = file["nf1rate"].arrays(library="np", entry_stop=50)
    columns["rate_err"] = np.zeros_like(columns["rate_err"])
    with root_file(tmp_path / "dark.root") as file:
        file.tree("nf1rate", columns)
    with pytest.raises(UserError, match=r"dark\.root|no usable row|no row"):
        polarbgb.inspect(small, path=tmp_path / "dark.root")


def test_what_the_configuration_does_not_say_is_told(small, mission):
    placed = small.position.model_copy(update={"field": None})
    told = polarbgb.inspect(small.model_copy(update={"position": placed}), path=mission)
    assert told.absent == {"position.field": ("field_strength", "magnetic_latitude", "l_shell")}
    assert not set(told.absent["position.field"]) & set(told.features)
    without = polarbgb.inspect(small.model_copy(update={"position": None}), path=mission)
    assert "orbital_phase" in without.absent["[position]"]
    whole = polarbgb.inspect(small, path=mission)
    assert not whole.absent
    assert set(whole.features) >= {"fe_cosmic", "l_shell", "since_switch_on"}
