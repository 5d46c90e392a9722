"""The built book: its pages, its links, its formulas and its playground, the latter in a real browser."""

import inspect
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import execute
import keras
import nbformat
import numpy as np
import pytest

import kerasopt
from kerasopt import optimizers, plotting, problems
from tests.book import browser

FOLDER = execute.FOLDER
PLACES = ("*.md", "homework/*.md", "reference/*.md")
SOURCES = [path.relative_to(FOLDER) for path in sorted(path for place in PLACES for path in FOLDER.glob(place))]
CHAPTERS = [path.stem for path in execute.chapters()]
PAGES = [*CHAPTERS, *(str(path.with_suffix("")) for path in SOURCES)]


class Outline(HTMLParser):
    """What a page links to, shows and is made of."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loads, self.headings, self.pictures, self.formulas = set(), [], [], [], [], 0
        self.language, self.article = None, False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        self.article |= tag == "article"
        if tag == "html":
            self.language = attributes.get("lang")
        elif tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in attributes:
            self.loads.append(attributes["src"])
        elif tag == "link" and attributes.get("rel") != "canonical":
            self.loads.append(attributes["href"])
        if self.article and tag == "img":
            self.pictures.append(attributes)
        if self.article and re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.formulas += tag == "math"

    def handle_endtag(self, tag):
        self.article &= tag != "article"


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the book, built as `make book` builds it: a warning is an error."""
    folder = tmp_path_factory.mktemp("book")
    command = [sys.executable, "-m", "sphinx", "-E", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-d", folder / "doctrees", FOLDER, folder / "html"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=600)
    assert done.returncode == 0, done.stderr + done.stdout
    return folder / "html"


@pytest.fixture(scope="session")
def outlines(site):
    paths = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    return {path.relative_to(site).as_posix(): Outline(path.read_text(encoding="utf-8")) for path in paths}


@pytest.fixture(params=PAGES)
def page(request, outlines):
    return f"{request.param}.html", outlines[f"{request.param}.html"]


def test_links_and_pictures_lead_somewhere(site, outlines, page):
    name, outline = page
    for address in outline.links + outline.loads:
        if re.match(r"(https?|mailto|javascript|data):", address):
            continue
        path, _, anchor = unquote(address).partition("#")
        target = ((site / name).parent / path.partition("?")[0]).resolve() if path else site / name
        assert target.is_file(), address
        if anchor and target.suffix == ".html":
            assert anchor in outlines[target.relative_to(site.resolve()).as_posix()].ids, address


def test_nothing_is_loaded_from_elsewhere(page):
    _, outline = page
    assert [address for address in outline.loads if re.match("(https?:)?//", address)] == []


def test_a_screen_reader_finds_its_way(page):
    _, outline = page
    assert outline.language == "en"
    assert outline.headings.count(1) == 1
    steps = np.diff([0, *outline.headings])
    assert max(steps) <= 1, outline.headings
    for picture in outline.pictures:
        assert len(picture.get("alt", "")) > 20, picture.get("src")


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_formula_of_a_chapter_is_shown(outlines, name):
    cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    prose = [re.sub(r"(`+).+?\1", "", cell.source, flags=re.DOTALL) for cell in cells if cell.cell_type == "markdown"]
    assert outlines[f"{name}.html"].formulas == sum(execute.formulas_to_mathml(text).count("<math") for text in prose)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_can_be_opened_elsewhere_and_downloaded(site, outlines, name):
    place = execute.REPOSITORY.partition("github.com/")[2]
    links = outlines[f"{name}.html"].links
    assert f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{name}.ipynb" in links
    assert f"https://mybinder.org/v2/gh/{place}/main?urlpath=lab/tree/notebooks/{name}.ipynb" in links
    assert f"_sources/{name}.ipynb" in links
    assert (site / "_sources" / f"{name}.ipynb").read_bytes() == (FOLDER / f"{name}.ipynb").read_bytes()


def test_the_index_leads_to_every_page(outlines):
    found = {link.partition("#")[0] for link in outlines["index.html"].links}
    assert {f"{name}.html" for name in PAGES} - {"index.html"} <= found


def test_every_public_name_is_in_the_reference(outlines):
    ids = set().union(*(outline.ids for name, outline in outlines.items() if name.startswith("reference/")))
    for module in (kerasopt, *(getattr(kerasopt, name) for name in kerasopt.__all__)):
        if inspect.ismodule(module):
            for name in getattr(module, "__all__", []):
                public = f"{module.__name__}.{name}"
                kind = "module-" if inspect.ismodule(getattr(module, name)) else ""
                assert kind + public in ids or public.replace(".", "-") in ids, public


def test_equations_stand_apart(site):
    text = (site / "reference" / "optimizers.html").read_text(encoding="utf-8")
    adam = re.sub("<[^>]+>", "", text.partition('id="kerasopt.optimizers.Adam"')[2].partition("</pre>")[0])
    assert "m = beta_1 * m + (1 - beta_1) * g\nv = beta_2 * v + (1 - beta_2) * g**2\n" in adam


def test_the_bibliography_is_complete(site):
    text = re.sub("<[^>]+>", "", (site / "bibliography.html").read_text(encoding="utf-8"))
    citing = [path.read_text(encoding="utf-8").partition("## References")[2] for path in execute.chapters()]
    citing += [inspect.getdoc(getattr(optimizers, name)).partition("Reference:")[2] for name in optimizers.__all__]
    for source in citing:
        for number in re.findall(r"arXiv\s+(\d{4}\.\d+)", source):
            assert number in text, number


# ---- In a browser.


@pytest.fixture(scope="session")
def chromium():
    program = browser.find()
    if program is None:
        pytest.skip("no Chromium on this machine: none of " + ", ".join(browser.NAMES))
    try:
        running = browser.Browser(program)
    except browser.CannotRunError as error:
        pytest.skip(str(error))
    with running:
        yield running


@pytest.fixture
def tab(chromium):
    """Open a page of the book in a tab of its own."""
    tabs = []

    def open_page(address, *size, **media):
        tabs.append(chromium.page(*size, **media))
        tabs[-1].open(address)
        return tabs[-1]

    yield open_page
    for one in tabs:
        one.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_silently_and_fits_the_screen(site, tab, name):
    shown = tab((site / f"{name}.html").as_uri(), 390, 844)
    assert shown.js("document.documentElement.scrollWidth") <= 390
    shown.resize(1280, 900)
    shown.settle()
    assert shown.js("document.documentElement.scrollWidth") <= 1280
    flat = "m => m.getBoundingClientRect().height < 4 || !m.childElementCount"
    assert shown.js(f"[...document.querySelectorAll('math')].filter({flat}).map(m => m.textContent)") == []
    assert shown.complaints() == []
    own = site.as_uri()
    assert [url for url in shown.requests() if not url.startswith((own, "data:"))] == []


def test_figures_are_legible_in_the_dark(site, tab):
    shown = tab((site / f"{CHAPTERS[0]}.html").as_uri(), prefers_color_scheme="dark")
    ground = "getComputedStyle(document.querySelector('{}')).backgroundColor"
    light, dark = (shown.js(ground.format(part)) for part in (".cell_output img", "body"))
    assert min(map(int, re.findall(r"\d+", light))) > 240
    assert max(map(int, re.findall(r"\d+", dark))) < 60


# ---- The playground.

SURFACES = {
    name: value()
    for name, value in inspect.getmembers(problems, inspect.isfunction)
    if name != "descend" and value().dimensions == 2
}
RULES = ("SGD", "Momentum", "Nesterov", "AdaGrad", "AdaDelta", "RMSProp", "Adam", "Nadam")


@pytest.fixture
def play(site, tab):
    """Open the playground."""
    return lambda *size, **media: tab((site / "playground.html").as_uri(), *size, **media)


@pytest.fixture
def double_precision():
    """JavaScript has no other, and near a kink of RMSProp's path single precision goes another way."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def test_the_playground_has_the_surfaces_of_the_package(play):
    shown = play()
    facts = "Object.fromEntries(Object.entries(descent.SURFACES).map(([k, s]) => [k, [s.window, s.minima, s.start]]))"
    facts = shown.js(facts)
    assert set(facts) == set(SURFACES)
    for name, problem in SURFACES.items():
        for ours, theirs in zip(facts[name], (problem.window, problem.minima, problem.start), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-15, err_msg=name)
        points = np.random.default_rng(0).uniform(*problem.window.T, size=(20, 2)).tolist()
        surface = f"descent.SURFACES.{name}"
        made = shown.js(f"{points}.map(p => [{surface}.value(...p), ...{surface}.gradient(...p)])")
        wanted = np.column_stack([problem(points), problem.gradient(points)])
        np.testing.assert_allclose(made, wanted, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.usefixtures("double_precision")
def test_the_playground_takes_the_steps_of_the_package(play):
    shown = play()
    assert shown.js("Object.keys(descent.RULES)") == list(RULES)
    for surface, problem in SURFACES.items():
        for rule in RULES:
            kind = getattr(optimizers, rule)
            # Not the default of 0.9, which a rule that ignored the slider would share.
            momentum = {name: 0.8 for name in ("momentum", "beta_1") if name in inspect.signature(kind).parameters}
            rate = shown.js(f"descent.SURFACES.{surface}.rates.{rule}")
            script = f"(s => descent.walk('{rule}', s, s.start, {rate}, 0.8, 100))(descent.SURFACES.{surface})"
            wanted = problems.descend(kind(rate, **momentum), problem, steps=100)
            np.testing.assert_allclose(shown.js(script), wanted, rtol=0, atol=1e-5, err_msg=f"{rule} on {surface}")


def test_the_playground_has_the_colors_of_the_figures(play):
    assert play().js("playground.COLORS") == list(plotting.COLORS)


def centre(shown, selector):
    element = f"document.querySelector({json.dumps(selector)})"
    shown.js(f"{element}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    shown.settle()
    return shown.js(f"(b => [b.left + b.width / 2, b.top + b.height / 2])({element}.getBoundingClientRect())")


def click(shown, selector):
    x, y = centre(shown, selector)
    for kind in ("mousePressed", "mouseReleased"):
        shown.mouse(kind, x, y)


def losses(shown):
    return shown.js("document.querySelector('.pg-table').innerText")


@pytest.mark.parametrize("size", [(390, 844), (1280, 900)], ids=["phone", "desktop"])
def test_the_start_follows_mouse_finger_and_arrow_keys(play, size):
    shown = play(*size)
    table = losses(shown)
    x, y = centre(shown, ".pg-handle")
    shown.mouse("mousePressed", x, y)
    shown.mouse("mouseMoved", x + 30, y + 20)
    shown.mouse("mouseReleased", x + 30, y + 20)
    dragged = shown.js("playground.state.start")
    width, height = shown.js("(b => [b.width, b.height])(document.querySelector('.pg-map').getBoundingClientRect())")
    np.testing.assert_allclose(dragged, [-7 + 20 * 30 / width, 2 - 10 * 20 / height], atol=20 * 1.5 / width)
    assert losses(shown) != table

    shown.js("document.querySelector('.pg-handle').focus()")
    shown.press("ArrowRight")
    shown.press("ArrowUp", shift=True)
    np.testing.assert_allclose(shown.js("playground.state.start"), [dragged[0] + 0.2, dragged[1] + 1.0], atol=1e-9)
    assert "Starting point: x" in shown.js("document.querySelector('.pg-handle').ariaLabel")

    x, y = centre(shown, ".pg-handle")
    shown.call("Emulation.setTouchEmulationEnabled", enabled=True)
    before = shown.js("playground.state.start")
    shown.touch("touchStart", (x, y))
    shown.touch("touchMove", (x + 25, y))
    shown.touch("touchEnd")
    after = shown.js("playground.state.start")
    assert after[0] == pytest.approx(before[0] + 20 * 25 / width, abs=20 * 1.5 / width)
    assert shown.complaints() == []


def test_optimizers_are_ticked_and_their_rates_moved(play):
    shown = play()
    assert shown.js("Object.keys(playground.state.paths)") == ["SGD", "Momentum", "AdaGrad", "Adam"]
    click(shown, "label[for=pg-SGD]")
    click(shown, "#pg-Nadam")
    assert shown.js("Object.keys(playground.state.paths)") == ["Momentum", "AdaGrad", "Adam", "Nadam"]
    row = losses(shown).split("Momentum", 1)[1].splitlines()[0]
    shown.js("document.querySelector('[aria-label=\"Rate of Momentum\"]').focus()")
    shown.press("ArrowRight")
    assert shown.js("playground.state.rates.Momentum") == 0.13
    shown.js("document.querySelector('#pg-momentum').focus()")
    shown.press("ArrowLeft")
    assert shown.js("playground.state.momentum") == 0.89
    assert losses(shown).split("Momentum", 1)[1].splitlines()[0] != row


def test_a_path_that_diverges_is_said_to(play):
    shown = play()
    slider = "document.querySelector('[aria-label=\"Rate of SGD\"]')"
    shown.js(f"(e => {{ e.value = 1; e.dispatchEvent(new Event('input')); }})({slider})")
    assert "diverged" in losses(shown).partition("SGD")[2].partition("Momentum")[0]


def test_the_race_is_played_stopped_and_stepped(play):
    shown = play(prefers_reduced_motion="no-preference")
    click(shown, ".pg-transport button:nth-of-type(2)")
    assert shown.js("playground.state.step") == 0
    click(shown, ".pg-play")
    moving = "const wait = () => playground.state.step > 2 ? done(0) : setTimeout(wait, 20); wait();"
    shown.js(f"new Promise(done => {{ {moving} }})")
    click(shown, ".pg-play")
    assert 2 < (step := shown.js("playground.state.step")) < 100
    assert shown.js("playground.state.playing") is False
    click(shown, "[aria-label='One step on']")
    assert shown.js("playground.state.step") == int(step) + 1
    shown.js("new Promise(done => setTimeout(done, 700))")
    assert f"After {int(step) + 1} steps: SGD" in shown.js("document.querySelector('.pg-status').textContent")


def test_whoever_wants_no_motion_gets_none(play):
    shown = play(prefers_reduced_motion="reduce")
    click(shown, ".pg-play")
    assert shown.js("[playground.state.playing, playground.state.step]") == [False, 100]


def test_every_surface_draws_itself(play):
    shown = play()
    for name in SURFACES:
        choose = f"(e => {{ e.value = '{name}'; e.dispatchEvent(new Event('change')); }})"
        shown.js(f"{choose}(document.querySelector('#pg-surface'))")
        assert shown.js("playground.state.surface") == name
        # A picture of many shades, with something drawn upon it.
        used = "(c => new Set(c.getContext('2d').getImageData(0, 0, 300, 200).data).size)(document.querySelector('{}'))"
        assert shown.js(used.format(".pg-ground")) > 8
        assert shown.js(used.format(".pg-tracks")) > 1
