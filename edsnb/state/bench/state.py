"""One map from file to composition, as the hand sets it: what the Workbench shows and lets be set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import param

from edsnb.core.fitting.fit import default_range
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.core.quant.kfactors import Convention, KFactors
from edsnb.core.regions import Regions
from edsnb.errors import EdsnbError, InputError
from edsnb.io.roots import Roots
from edsnb.pipeline import Analysis, analyse, elements_of
from edsnb.recipe import Recipe, read_settings
from edsnb.state import scripts
from edsnb.state.bench.exports import ExportState
from edsnb.state.bench.intent import DEFAULTS, changes, fitted_to, resolve
from edsnb.state.bench.results import QUANTITIES, middle
from edsnb.state.bench.shelf import Shelf
from edsnb.state.elements.models import settle
from edsnb.state.elements.state import ElementState
from edsnb.state.jobs import plain, read_map
from edsnb.state.links import from_query, place_query, to_query
from edsnb.state.shared import SHARED, Held
from edsnb.state.work import Work, Working

TABS = ("file", "chips", "elements", "fit", "composition", "compare", "code")
"""What the Workbench is divided into; a link names one of them."""
_PAUSE_S = 0.15
"""The hand must have been still for so long before a change is run."""
_OF_ELEMENTS = ("elements", "deconvolve", "lines")


class WorkbenchState(Working, param.Parameterized):
    """Settings and what they make of a map; nothing raises, `message` and `problem` say what went wrong.

    The settings are the one truth: `set` changes them, `recipe` follows where they go together, `problem` says why they
    do not. All methods must be called in the thread that owns the state; long work runs in `opening`, `running` and
    `exports.work`.
    """

    files = param.Parameter(default=(), constant=True, doc="Names of the files that may be opened, a tuple.")
    file = param.String(default="", constant=True, doc="Name of the opened file; empty while there is none.")
    image = param.Parameter(default=None, constant=True, doc="The opened map; None while there is none.")
    facts = param.String(default="", constant=True, doc="What is in the file, as `edsnb info` says it.")
    settings = param.Parameter(default={}, constant=True, doc="{setting of a recipe: value} of all that was set.")
    recipe = param.Parameter(default=Recipe(), constant=True, doc="Recipe of the settings; None where there is none.")
    problem = param.String(default="", constant=True, doc="Why the settings cannot be used; empty where they can.")
    analysis = param.Parameter(default=None, constant=True, doc="The last run's Analysis; None before the first.")
    stale = param.Parameter(default=(), constant=True, doc="Settings that changed since the last run, a tuple.")
    selected = param.Parameter(default=(), constant=True, doc="Names of the selected chips, a tuple.")
    message = param.String(default="", constant=True, doc="What came of the last action, in plain words.")
    tab: Any = param.Selector(default="file", objects=list(TABS), doc="What is looked at.")
    quantity: Any = param.Selector(
        default="atomic", objects=list(QUANTITIES.values()), doc="What is mapped and listed."
    )
    same_colours = param.Boolean(
        default=False, label="Same colours in all maps", doc="One colour scale for all elements."
    )
    auto = param.Boolean(default=True, label="Run again after each change", doc="Whether changes are run at once.")

    def __init__(self, roots: Roots | None = None, *, local: bool = True, **params: Any) -> None:
        """Make a state.

        Parameters
        ----------
        roots
            Files that may be opened by name.
        local
            Whether whoever looks works on this computer: paths are then shown, and results may be saved to folders.
        """
        super().__init__(**params)
        self.shelf = Shelf(roots or Roots((), ()))
        self.local = local
        self.elements = ElementState()
        self.listing, self.opening, self.running = Work(), Work(), Work()
        self.exports = ExportState(self.shelf, local=local)
        self._held: Held | None = None
        self._of_file: dict[str, Any] = {}
        self._table: KFactors | None = None
        self.regions: Regions | None = None
        self._made_by: Any = None
        self._quiet = self._adopting = self._stay = False
        self._wanted: tuple[str, ...] = ()
        self._noted: tuple[str, ...] = ()
        self.elements.param.watch(self._elements_changed, [*_OF_ELEMENTS, "energy"])
        self.param.watch(self._update_stale, ["analysis", "recipe"])

    @property
    def works(self) -> tuple[Work, ...]:
        """All long work."""
        return self.listing, self.opening, self.running, self.exports.work

    # Files

    def begin(self) -> None:
        """Look which files there are; where there is one alone, open it."""
        self.look(first=True)
        if only := self.shelf.only:
            self._open_first(only)

    def look(self, *, first: bool = False) -> None:
        """Look anew which files may be opened; the `first` time, open the one there is, where it is one alone."""

        def found(names: tuple[str, ...]) -> None:
            self._put(files=names)
            if first and len(names) == 1:
                self._open_first(names[0])

        self.listing.start("Looking for files", lambda _: self.shelf.names(), found)

    def _open_first(self, name: str) -> None:
        """Open a file that nobody has asked for, where nobody has asked for another one either."""
        if not self.file and not self.opening.running and not self.opening.message:
            self.open(name)

    def open(self, name: str, *, spectrum_image: int | str | None = None) -> None:
        """Open a file of the list; settings stay as far as they fit, elements are the file's unless set by hand."""
        try:
            path = self.shelf.find(name)
        except InputError as error:
            self.tell(str(error))
            return
        self.running.cancel()
        local = self.local
        self.opening.start(
            f"Opening {name}",
            lambda progress: read_map(path, name, spectrum_image, local=local, progress=progress),
            partial(self._opened, name, spectrum_image),
            # What others look at is open already, and is shown with the first picture of the page.
            here=SHARED.has(path, spectrum_image),
        )

    def receive(self, path: Path) -> None:
        """Take a file that was sent to this session, and open it."""
        name = self.shelf.bring(path)
        self._put(files=tuple(dict.fromkeys((name, *self.files))))
        self.open(name)

    # Settings

    def set(self, **settings: Any) -> None:
        """Change settings of the recipe, None for the default; what is set is kept even where it cannot be used."""
        self._change({**self.settings, **settings})

    def load(self, recipe: Recipe) -> None:
        """Take all settings from a recipe; elements it leaves open are those of the file."""
        values = {name: getattr(recipe, name) for name in DEFAULTS}
        if recipe.elements is None and self.image is not None and (recipe.lines or self.image.elements):
            values["elements"], values["deconvolve"] = elements_of(recipe, self.image)
        self._change(values)

    def load_toml(self, data: bytes, name: str = "recipe.toml") -> None:
        """Take all settings from a recipe's text; a table named by its path is not read, and `message` says so."""
        note = f"Settings of {name} are loaded."
        try:
            values = read_settings(data, name)
            if isinstance(table := values.get("kfactors", "theory"), str) and table != "theory":
                del values["kfactors"]
                note += f" Its k-factor table {table} is not in it: choose that table, too."
            self.load(Recipe(**values))
        except EdsnbError as error:
            note = plain(error)
        self.tell(note)

    def use_table(self, data: bytes, name: str) -> None:
        """Quantify with a table of k-factors: a Velox export, or TOML as KFactors.save writes it."""
        path = self.shelf.folder / f"table{Path(name).suffix.lower()}"
        try:
            path.write_bytes(data)
            table = KFactors.load(path)
        except EdsnbError as error:
            self.tell(plain(error).replace(str(path), name))
            return
        self._table = replace(table, source=table.source.replace(path.name, name))
        self.set(kfactors=self._table, k_convention=None)
        self.tell(f"{len(table.factors)} k-factors of {name}.")

    def set_convention(self, convention: Convention) -> None:
        """Say what k-factors belong to; the numbers of a table are counted so, and nothing is rescaled."""
        record = self.settings.get("kfactors")
        if isinstance(record, KFactors):
            # Of the table as it was read: its source would name each change otherwise.
            original = self._table if self._table and self._table.factors == record.factors else record
            self.set(kfactors=original.with_convention(convention), k_convention=None)
        else:
            self.set(k_convention=None if convention == "family" else convention)

    # Results

    def run(self) -> None:
        """Cut, fit and quantify; chips and fit of the last run are taken over where they are the same."""
        if self.image is None or self.recipe is None:
            self.tell(self.problem or "Open a file first.")
            return
        self._start(0.0)

    def adopt(self, analysis: Analysis) -> None:
        """Take a run that was made elsewhere on this map, with its settings."""
        self.running.cancel()
        self._adopting = True
        try:
            self.load(analysis.asked)
        finally:
            self._adopting = False
        self._ran(analysis)

    def use_regions(self, regions: Regions | None, code: Any = None) -> None:
        """Fit irregular regions instead of the grid's chips; None for the grid.

        `code` is what makes them, an object with a ``code()`` that ends with ``regions``.
        """
        if regions is not self.regions:
            self.regions, self._made_by = regions, code
            self._change(self.settings, start=True)

    def select(self, names: Iterable[str]) -> None:
        """Select chips by name; those that the last run does not have are passed over."""
        known = None if self.analysis is None else frozenset(self.analysis.spectra.names)
        chosen = tuple(dict.fromkeys(name for name in names if known is None or name in known))
        if chosen != self.selected:
            self._put(selected=chosen)

    def export(self, formats: Iterable[str], folder: str | Path | None = None, *, overwrite: bool = False) -> None:
        """Write the last run as a ZIP to download, or into a folder of this computer; see `ExportState.write`."""
        name = Path(self.file).stem or "result"
        self.exports.write(self.analysis, name, formats, folder, overwrite=overwrite)

    # Code and links

    @property
    def source(self) -> str:
        """The file as code names it: its path where the work is local, else its name."""
        return str(self.image.source) if self.local and self.image is not None else self.file or "map.emd"

    def code(self) -> str:
        """Return Python that gives the same numbers."""
        if self.recipe is None:
            return f"# {self.problem}\n"
        if self._made_by is None:
            return scripts.python(self.source, self.recipe)
        return scripts.python_regions(self._made_by.code(), self.recipe)

    def toml(self) -> str:
        """Return the recipe as TOML."""
        return scripts.recipe_toml(self.recipe) if self.recipe is not None else f"# {self.problem}\n"

    def command(self) -> str:
        """Return the command that runs the recipe, saved as recipe.toml."""
        return scripts.command(self.source, self.recipe) if self.recipe is not None else ""

    def query(self) -> dict[str, str]:
        """Return the query of a link that shows the same; uploaded files cannot be in it."""
        query = {"file": self.file} if self.file and not self.shelf.is_brought(self.file) else {}
        settings = dict(self.settings)
        if all(settings.get(name) == self._of_file.get(name) for name in _OF_ELEMENTS):
            settings = {name: value for name, value in settings.items() if name not in _OF_ELEMENTS}
        usual = "chips" if self.file else "file"
        return query | to_query(settings) | place_query(self.tab, usual, self.quantity, self.selected)

    def follow(self, query: Mapping[str, str]) -> None:
        """Show what a link says, as far as it can be shown."""
        settings, problems = from_query(query)
        if settings:
            self._change({**self._of_file, **settings})
        if query.get("tab") in TABS:
            self.tab, self._stay = query["tab"], True
        if query.get("show") in QUANTITIES.values():
            self.quantity = query["show"]
        self._wanted = tuple(name for name in query.get("at", "").split(",") if name)
        if file := query.get("file"):
            self.open(file, spectrum_image=settings.get("spectrum_image"))
        self._noted = problems
        if problems:
            self.tell(self.message, *problems)

    def close(self) -> None:
        """End all work and let go of everything large; nobody is told, as nobody looks any more."""
        with ExitStack() as quiet:
            for told in (self, self.exports, *self.works):
                quiet.enter_context(param.discard_events(told))
            for work in self.works:
                work.cancel()
            self._held = None
            self.exports.forget()
            self._put(image=None, analysis=None, file="", facts="", files=(), selected=(), stale=())
        self.shelf.close()

    # What follows from what

    def _put(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)

    def tell(self, *sentences: str) -> None:
        """Put sentences into `message`."""
        self._put(message=" ".join(filter(None, sentences)))

    def _opened(self, name: str, which: int | str | None, opened: tuple[Held, SpectrumImage, str]) -> None:
        self._held, image, facts = opened
        by_hand = any(self.settings.get(key) != self._of_file.get(key) for key in _OF_ELEMENTS)
        settings = {k: v for k, v in self.settings.items() if by_hand or k not in _OF_ELEMENTS}
        settings, notes = fitted_to({**settings, "spectrum_image": which}, image)
        with self._silence():
            self.elements.load(image)
            self._of_file = self.elements.recipe_fields()
        self.regions = self._made_by = None
        self._put(file=name, image=image, facts=facts, analysis=None, selected=())
        if self.tab == "file" and not self._stay:
            self.tab = "chips" if image.events is not None else "fit"
        self._stay = False
        self._change({**self._of_file, **settings}, start=True)
        self.tell(*notes, *self._noted)
        self._noted = ()

    def _change(self, settings: Mapping[str, Any], *, start: bool = False) -> None:
        """Take over settings, tell them to the elements, and make a recipe of them; run it where that is wanted."""
        kept = {name: value for name, value in settings.items() if value is not None and value != DEFAULTS[name]}
        if self.image is not None:
            kept |= self._tell_elements(kept)
        try:
            recipe, problem = resolve(kept, self.image, self.regions), ""
        except EdsnbError as error:
            recipe, problem = None, plain(error)
        changed = recipe is not None and recipe != self.recipe
        self._put(settings=kept, recipe=recipe, problem=problem)
        if recipe is None:
            self.running.cancel()
        elif self.auto and self.image is not None and (changed or start) and not self._adopting:
            # Not before the page is there, which would have to wait for its share of the processor.
            self.running.deliver(partial(self._start, _PAUSE_S))

    def _start(self, pause_s: float) -> None:
        """Run the recipe when the hand has been still for so long."""
        image, recipe, regions, previous = self.image, self.recipe, self.regions, self.analysis
        if image is None or recipe is None:
            return

        def work(progress: Progress) -> Analysis:
            settle(progress, pause_s)
            return analyse(image, recipe, regions=regions, previous=previous, progress=progress)

        self.running.start("Fitting the chips", work, self._ran)

    def _tell_elements(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Hand elements and range to those who show them, and return what holds of them in this range."""
        image: SpectrumImage = self.image
        asked: dict[str, Any] = {name: settings.get(name) for name in _OF_ELEMENTS}
        asked["deconvolve"] = asked["deconvolve"] or ()
        energy = settings.get("energy") or default_range(image)
        # Compared before the range changes, which may bring back elements that had left it.
        anew = asked != self.elements.recipe_fields()
        with self._silence():
            self.elements.param.update(energy=energy, beam_kev=settings.get("beam_kev") or image.acquisition.beam_kev)
            if anew:
                symbols = (*(asked["elements"] or ()), *asked["deconvolve"])
                of_file = [f"{e.symbol}_{e.family}" for e in image.elements if e.family and e.symbol in symbols]
                self.elements.choose(asked["elements"] or (), asked["deconvolve"], asked["lines"] or of_file)
        return self.elements.recipe_fields()

    def _elements_changed(self, *_: object) -> None:
        if self._quiet or self.image is None:
            return
        energy: Any = tuple(self.elements.energy)
        energy = None if energy == tuple(default_range(self.image)) else energy
        self.set(**self.elements.recipe_fields(), energy=energy)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _ran(self, analysis: Analysis) -> None:
        wanted, self._wanted = self._wanted or self.selected, ()
        kept = tuple(name for name in wanted if name in analysis.spectra.names) or (middle(analysis),)
        self._put(analysis=analysis, selected=kept)
        self.exports.forget()

    def _update_stale(self, *_: object) -> None:
        asked = None if self.analysis is None else self.analysis.asked
        self._put(stale=changes(asked, self.recipe) if asked is not None and self.recipe is not None else ())
