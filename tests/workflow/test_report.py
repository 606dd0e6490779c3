"""One page that holds what the run found, says it to whoever opens it, and asks nothing of a network."""

import json
import re
import shutil
from base64 import b64decode
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import polarbgb
from polarbgb.errors import UserError
from polarbgb.reporting import content
from polarbgb.reporting.curves import Curves, packed
from polarbgb.runs.folder import RunFolder
from polarbgb.workflow import report as verb


@pytest.fixture(scope="module")
def reported(finished, tmp_path_factory):
    """A page of the finished run, with what explain and detect left."""
    run = RunFolder(shutil.copytree(finished.path, tmp_path_factory.mktemp("secret-place") / "copied"))
    result = polarbgb.report(run, events=3)
    text = result.path.read_text(encoding="utf-8")
    return SimpleNamespace(run=run, result=result, text=text, data=data_of(text))


@pytest.fixture
def bare(copied, monkeypatch):
    """A run of one's own whose pages come without figures, which take seconds."""
    monkeypatch.setattr(verb, "draw", lambda *_, **__: ())
    return copied


class Elements(HTMLParser):
    """Collects the text of scripts by id, and every address that the page would load."""

    def __init__(self):
        super().__init__()
        self.json, self.loaded, self.tags, self._open = {}, [], [], None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        if tag in {"img", "script", "link", "iframe", "source"}:
            self.loaded += [given[key] for key in ("src", "href") if key in given]
        self._open = given.get("id") if tag == "script" else None

    def handle_data(self, data):
        if self._open:
            self.json[self._open] = self.json.get(self._open, "") + data


def data_of(text):
    page = Elements()
    page.feed(text)
    return json.loads(page.json["data"])


def unpacked(told):
    return np.frombuffer(b64decode(told["data"]), np.dtype(told["type"]))


def test_every_event_is_listed_and_those_of_the_lowest_far_are_drawn(reported):
    events = reported.run.read_frame("events.parquet")
    keys = [column["key"] for column in reported.data["columns"]]
    listed = pl.DataFrame(reported.data["events"], schema=keys, orient="row")
    assert listed["id"].to_list() == events["id"].to_list()
    assert listed["name"].to_list() == events["name"].to_list()
    assert np.allclose(listed["t_start"].to_numpy(), events["t_start"].to_numpy())
    lowest = {str(one) for one in events.sort("far", "significance", descending=[False, True])["id"].head(3)}
    assert reported.data["windows"].keys() == reported.data["facts"].keys() == lowest
    assert reported.result.summary().startswith(f"{len(events)} events, 3 of them drawn")
    assert reported.result.files == (reported.run / "report.html",)


def test_a_window_holds_the_rows_around_its_event(reported):
    prediction = reported.run.read_frame("prediction.parquet")
    events = reported.run.read_frame("events.parquet")
    for key, window in reported.data["windows"].items():
        event = events.filter(id=int(key)).row(0, named=True)
        assert window["length"] == event["duration"]
        beside = min(max(60.0, 3 * event["duration"]), 300.0)
        rows = prediction.filter(
            pl.col("unix_time").is_between(event["t_start"] - beside, event["t_stop"] + beside, closed="left")
        )
        for number, panel in enumerate(window["curves"]):
            for name in ("rate", "pred"):
                drawn = unpacked(panel["rate"][name])
                assert np.array_equal(drawn[~np.isnan(drawn)], rows[name].arr.get(number).to_numpy())
            sigma = rows["sigma"].arr.get(number).to_numpy()
            high, low = (unpacked(panel["rate"][name]) for name in ("high", "low"))
            assert np.allclose((high - low)[~np.isnan(high)], 2 * sigma, rtol=1e-3)
            pull = unpacked(panel["pull"]["pull_high"])
            assert np.allclose(pull[~np.isnan(pull)], rows["pull"].arr.get(number).to_numpy())
            x = unpacked(panel["rate"]["x"])
            assert np.allclose(x[~np.isnan(drawn)], rows["unix_time"].to_numpy() - event["t_start"])


def test_what_is_averaged_keeps_its_mean_and_its_extremes(small):
    rows = 10_000
    rng = np.random.default_rng(0)
    rate = rng.poisson(500, (rows, 6)).astype(np.float32)
    time = np.arange(rows, dtype=np.float64)
    steady = np.full_like(rate, 500)
    curves = Curves(time, np.zeros(rows, np.int32), rate, steady, steady / 20, (rate - 500) / 25)
    [first, *_] = curves.window(0, rows, 0, small.input.cadence)
    x, drawn = unpacked(first["rate"]["x"]), unpacked(first["rate"]["rate"])
    assert len(x) <= 1502
    assert np.isclose(np.average(drawn[:-1], weights=np.diff(x)), rate[:, 0].mean(), rtol=1e-4)
    assert np.nanmax(unpacked(first["pull"]["pull_high"])) == curves.pull[:, 0].max()
    assert np.nanmin(unpacked(first["pull"]["pull_low"])) == curves.pull[:, 0].min()
    assert curves.window(rows + 10, rows + 20, 0, small.input.cadence) == []


def best_bins(run):
    """The bin of each event, by its id, in which the whole event is most significant."""
    events = run.read_frame("events.parquet")
    return dict(
        zip(events["id"].cast(pl.String), np.argmax(events["significance_bin"].to_numpy(), axis=1), strict=True)
    )


@pytest.fixture(scope="module")
def chosen(finished, tmp_path_factory):
    """A page of three of the six bins, two of them drawn at a time."""
    run = RunFolder(shutil.copytree(finished.path, tmp_path_factory.mktemp("chosen") / "copied"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verb, "draw", lambda *_, **__: ())
        patch.setattr(content, "PAIRS", 2)
        result = polarbgb.report(run, events=5, bins=(0, 2, 5))
    text = result.path.read_text(encoding="utf-8")
    return SimpleNamespace(run=run, result=result, text=text, data=data_of(text))


def test_a_page_of_some_bins_holds_these_and_of_each_event_its_best(chosen):
    best = best_bins(chosen.run)
    assert set(best.values()) - {0, 2, 5}  # else nothing is shown here
    prediction = chosen.run.read_frame("prediction.parquet")
    for key, window in chosen.data["windows"].items():
        assert window["bins"] == sorted({0, 2, 5, best[key]})
        assert window["shown"][0] == window["best"] == best[key]
        assert len(set(window["shown"])) == 2
        for number, panel in zip(window["bins"], window["curves"], strict=True):
            drawn = unpacked(panel["rate"]["rate"])
            assert np.isin(drawn[~np.isnan(drawn)], prediction["rate"].arr.get(number).to_numpy()).all()
        assert chosen.data["why"][key].keys() == {str(number) for number in window["bins"]}
        told = [name for name, _ in chosen.data["facts"][key] if name.startswith("counts, ")]
        assert told == [f"counts, {chosen.data['titles'][number]}" for number in window["bins"]]
    assert len(chosen.data["whole"]) == len(chosen.data["dependence"][0]["curves"]) == 3
    assert all(zoom["bins"] == [0, 2, 5] and zoom["shown"] == [0, 5] for zoom in chosen.data["zooms"])
    assert "3 of 6 bins, spread over the spectrum; <code>--bins" in chosen.text  # as they happen to be


def test_a_bin_that_is_not_there_is_refused_before_anything_is_drawn(copied):
    with pytest.raises(UserError, match="no bin 6 to draw: bins are 0 to 5"):
        polarbgb.report(copied, bins=(0, 6))


def test_of_very_many_events_those_of_the_lowest_far_are_listed_and_the_rest_counted(bare, monkeypatch):
    monkeypatch.setattr(content, "LISTED", 3)
    events = bare.read_frame("events.parquet")
    result = polarbgb.report(bare, events=2)
    text = result.path.read_text(encoding="utf-8")
    listed = {row[0] for row in data_of(text)["events"]}
    assert listed == {*events.sort("far", "significance", descending=[False, True])["id"].head(3)}
    assert f"Of {len(events)} events the 3 of the lowest false-alarm rate are listed here" in " ".join(text.split())
    assert result.events == len(events) > 3
    monkeypatch.undo()
    monkeypatch.setattr(verb, "draw", lambda *_, **__: ())
    assert "are listed here" not in polarbgb.report(bare, events=2).path.read_text(encoding="utf-8")


def glyphs(told, name):
    """Every object of a kind in the drawing library's JSON."""
    if isinstance(told, dict):
        if told.get("name") == name and "attributes" in told:
            yield told["attributes"]
        told = list(told.values())
    if isinstance(told, list):
        for one in told:
            yield from glyphs(one, name)


def test_the_map_lies_where_the_detector_was(reported):
    page = Elements()
    page.feed(reported.text)
    image, *_ = glyphs(json.loads(page.json["json-sky"]), "Image")
    south, height = image["y"]["value"], image["dh"]["value"]
    assert height == -2 * south
    farthest = reported.run.read_frame("prediction.parquet")["glat"].fill_nan(None).abs().max()
    assert -south - 3 <= farthest <= -south


def test_numbers_survive_their_way_into_the_page():
    values = np.array([1.5, np.nan, -np.inf, 1484668582.8])
    assert np.array_equal(unpacked(packed(values, np.float64)), values, equal_nan=True)


def test_the_page_asks_nothing_of_a_network(reported):
    page = Elements()
    page.feed(reported.text)
    assert page.loaded
    assert all(address.startswith("data:") for address in page.loaded)
    assert "@import" not in reported.text
    assert reported.result.size < 12e6


def test_the_page_does_not_tell_on_whose_disk_it_was_made(reported):
    assert "secret-place" not in reported.text
    assert str(reported.run.sources()[0]) not in reported.text
    assert "nf1rate.root" in reported.text


def test_the_same_run_gives_the_same_data(reported):
    again = polarbgb.report(reported.run, reported.run / "again.html", events=3)
    assert data_of(again.path.read_text(encoding="utf-8")) == reported.data


def test_text_from_files_is_shown_as_text(bare):
    evil = "</script><img src=x onerror=alert(1)>"
    events = bare.read_frame("events.parquet")
    bare.write_frame("events.parquet", events.with_columns(pl.lit(evil).alias("class"), pl.lit(evil).alias("name")))
    config = bare.config()
    rates = config.rates.model_copy(update={"labels": (evil,) * 6})
    bare.write_config(config.model_copy(update={"name": evil.replace("/", ""), "rates": rates}))
    text = polarbgb.report(bare).path.read_text(encoding="utf-8")
    page = Elements()
    page.feed(text)
    assert "x" not in page.loaded
    assert data_of(text)["events"][0][1] == evil
    assert "onerror" in text


def test_a_run_without_events_has_a_page(bare):
    bare.write_frame("events.parquet", bare.read_frame("events.parquet").clear())
    result = polarbgb.report(bare)
    assert (result.events, result.drawn) == (0, 0)
    assert "No event was found" in result.path.read_text(encoding="utf-8")


def test_a_run_of_the_published_method_has_no_false_alarm_rate(bare):
    polarbgb.detect(bare, method="published", overrides=["intervals.sigma=4"])
    text = polarbgb.report(bare).path.read_text(encoding="utf-8")
    assert '"location":4.0' in text.replace(" ", "")  # the limit that was searched at, not that of the fit
    assert "far" not in [column["key"] for column in data_of(text)["columns"]]
    assert "has no false-alarm rate" in text


def test_without_explanation_its_section_is_left_out(bare):
    assert 'id="shap"' in polarbgb.report(bare).path.read_text(encoding="utf-8")
    bare.forget("explain")  # its files may lie there still
    assert 'id="shap"' not in polarbgb.report(bare).path.read_text(encoding="utf-8")


def test_a_predicted_run_has_a_page(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(verb, "draw", lambda *_, **__: ())
    into = RunFolder(tmp_path / "into")
    other = polarbgb.simulate(tmp_path / "other.root", days=0.2, seed=8)
    polarbgb.predict(finished, into, path=other.path)
    polarbgb.detect(into, far=30.0, overrides=["intervals.sigma=4"])
    text = polarbgb.report(into).path.read_text(encoding="utf-8")
    assert f"{into.require('predict')['input']['usable']:,} usable rows" in text


def test_figures_fall_with_their_stage(copied):
    plots = copied / "plots"
    (plots / "clusters.pdf").write_text("of older events")
    (plots / "mine.png").write_text("mine")
    copied.forget("detect")
    left = {path.name for path in plots.iterdir()}
    assert not left & {"clusters.pdf", "events.png", "light_curve_events.png"}
    assert left >= {"mine.png", "pulls.png", "shap_bars.png"}
    copied.forget("fit")
    assert {path.name for path in plots.iterdir()} == {"mine.png"}


def test_a_file_in_the_way_is_replaced_on_request_only(bare, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("mine")
    with pytest.raises(UserError, match="add --overwrite"):
        polarbgb.report(bare, path)
    assert path.read_text() == "mine"
    polarbgb.report(bare, path, overwrite=True)
    assert path.read_text() != "mine"
    with pytest.raises(UserError, match=r"must end in \.html"):
        polarbgb.report(bare, tmp_path / "page.pdf")


def test_plots_are_drawn_as_files_on_request(copied, monkeypatch):
    asked = []
    monkeypatch.setattr(verb, "draw", lambda _, form, **__: (asked.append(form), (copied / f"a.{form}",))[1])
    assert polarbgb.report(copied, plots="pdf").figures == (copied / "a.pdf",)
    assert asked == ["png", "pdf"]


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, where there is one."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not (chromium and driver):
        pytest.skip("no chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def column_of(browser, title):
    """Return what a column of the list shows, top down."""
    heads = browser.execute_script(
        "return [...document.querySelectorAll('#list th button')].map(b => b.firstChild.textContent)"
    )
    return browser.execute_script(
        "return [...document.querySelectorAll('#list tbody tr')].map(r => r.cells[arguments[0]].textContent)",
        heads.index(title),
    )


def click_head(browser, title):
    browser.execute_script(
        "[...document.querySelectorAll('#list th button')]"
        ".find(b => b.firstChild.textContent === arguments[0]).click()",
        title,
    )


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (400, "dark")])
def test_a_browser_shows_the_page(browser, reported, width, scheme):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(reported.result.path.as_uri())
    events = reported.run.read_frame("events.parquet")
    wait = "return document.documentElement.dataset.ready === 'yes'"
    polled = pytest.importorskip("selenium.webdriver.support.wait").WebDriverWait(browser, 60)
    polled.until(lambda page: page.execute_script(wait))
    said = [one for one in browser.get_log("browser") if one["level"] in {"WARNING", "SEVERE"}]
    assert said == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
    assert dark == (scheme == "dark")

    # As it comes, the list is sorted by the ranking; a click sorts by another column, a second one backwards.
    far = [float(one.removeprefix("<")) for one in column_of(browser, "far")]
    assert far == sorted(far)
    ranking = [float(one) for one in column_of(browser, "ranking")]
    assert ranking == sorted(ranking, reverse=True)
    click_head(browser, "duration")
    lasting = [float(one) for one in column_of(browser, "duration")]
    assert len(lasting) == len(events)
    assert lasting == sorted(lasting)
    click_head(browser, "duration")
    assert [float(one) for one in column_of(browser, "duration")] == sorted(lasting, reverse=True)

    # Words narrow the list; a row opens its event, and an event that is not drawn says so.
    one, other = events.sort("far")["name"][0], events.sort("far")["name"][-1]
    search = "const s = document.getElementById('search'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))"
    for name, drawn in ((one, True), (other, len(events) <= 3)):
        browser.execute_script(search, name)
        assert column_of(browser, "name") == [name]
        browser.execute_script("document.querySelector('#list tbody tr').click()")
        polled.until(lambda page, name=name: re.match(name, page.find_element("id", "event-name").text))
        assert browser.find_element("id", "event-drawn").is_displayed() == drawn
    held = browser.execute_script(
        "return Bokeh.documents.map(d => d.get_model_by_name('event-0-rate')).find(Boolean).data.x.length"
    )
    assert held > 60


def test_a_reader_chooses_the_bins_that_are_drawn(browser, chosen):
    browser.get(chosen.result.path.as_uri())
    polled = pytest.importorskip("selenium.webdriver.support.wait").WebDriverWait(browser, 60)
    polled.until(lambda page: page.execute_script("return document.documentElement.dataset.ready === 'yes'"))
    first = browser.execute_script("return document.querySelector('#list tbody tr').dataset.id")
    window, titles = chosen.data["windows"][first], chosen.data["titles"]

    def panel(slot):
        """Return the bin that a pair of panels is said to show, and the rates in it."""
        name = browser.execute_script(
            "return document.getElementById(arguments[0]).selectedOptions[0].textContent", f"event-bin-{slot}"
        )
        rates = browser.execute_script(
            "return [...Bokeh.documents.map(d => d.get_model_by_name(arguments[0])).find(Boolean).data.rate]",
            f"event-{slot}-rate",
        )
        return name.removesuffix(" (best)"), np.array(rates, np.float64)

    def expected(number):
        return unpacked(window["curves"][window["bins"].index(number)]["rate"]["rate"])

    for slot, number in enumerate(window["shown"]):
        name, rates = panel(slot)
        assert name == titles[number]
        np.testing.assert_array_equal(rates, expected(number))
    other = next(number for number in window["bins"] if number not in window["shown"])
    choose = (
        "const s = document.getElementById('event-bin-1'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(choose, other)
    polled.until(lambda _: np.array_equal(panel(1)[1], expected(other), equal_nan=True))
    assert panel(0)[0] == titles[window["best"]]

    # The choice stays with the next event; what is best there comes by itself.
    browser.execute_script("document.getElementById('next').click()")
    second = browser.execute_script("return document.querySelectorAll('#list tbody tr')[1].dataset.id")
    polled.until(lambda _: panel(0)[0] == titles[chosen.data["windows"][second]["best"]])
    assert panel(1)[0] == titles[other] or other not in chosen.data["windows"][second]["bins"]
    assert [one for one in browser.get_log("browser") if one["level"] in {"WARNING", "SEVERE"}] == []
