"""One map from file to composition, as the hand sets it: what the Workbench shows and lets be set."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import param

from edsnb.core.fitting.fit import default_range
from edsnb.core.fitting.solve import Progress
from edsnb.core.image import SpectrumImage
from edsnb.core.quant.kfactors import KFactors
from edsnb.errors import EdsnbError, InputError
from edsnb.io.roots import Roots, check_self_contained
from edsnb.pipeline import Analysis, analyse, elements_of
from edsnb.recipe import Recipe, read_settings
from edsnb.state import scripts
from edsnb.state.archive import Archive, write_archive, write_result
from edsnb.state.elements import ElementState
from edsnb.state.intent import changes, fitted_to, resolve
from edsnb.state.links import from_query, to_query
from edsnb.state.shared import SHARED, Held
from edsnb.state.work import Deliver, Work

TABS = ("chips", "elements", "fit", "composition", "compare", "code")
"""What the Workbench is divided into; a link names one of them."""
_OF_ELEMENTS = ("elements", "deconvolve", "lines")
UPLOADED = "uploaded"
"""Begins the names of files that this session brought itself."""


class WorkbenchState(param.Parameterized):
    """Settings and what they make of a map; nothing raises, `message` and `problem` say what went wrong.

    The settings are the one truth: `set` changes them, `recipe` follows where they go together, `problem` says why they
    do not. All methods must be called in the thread that owns the state; long work runs in `opening`, `running` and
    `exporting`.
    """

    files = param.Parameter(default=(), constant=True, doc="Names of the files that may be opened, a tuple.")
    file = param.String(default="", constant=True, doc="Name of the opened file; empty while there is none.")
    image = param.Parameter(default=None, constant=True, doc="The opened map; None while there is none.")
    settings = param.Parameter(default={}, constant=True, doc="{setting of a recipe: value} of all that was set.")
    recipe = param.Parameter(default=Recipe(), constant=True, doc="Recipe of the settings; None where there is none.")
    problem = param.String(default="", constant=True, doc="Why the settings cannot be used; empty where they can.")
    analysis = param.Parameter(default=None, constant=True, doc="The last run's Analysis; None before the first.")
    stale = param.Parameter(default=(), constant=True, doc="Settings that changed since the last run, a tuple.")
    selected = param.Parameter(default=(), constant=True, doc="Names of the selected chips, a tuple.")
    archive = param.Parameter(default=None, constant=True, doc="The last export's Archive; None before the first.")
    message = param.String(default="", constant=True, doc="What came of the last action, in plain words.")
    tab: Any = param.Selector(default="chips", objects=list(TABS), doc="What is looked at.")
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
        self.roots = roots or Roots((), ())
        self.local = local
        self.elements = ElementState()
        self.listing, self.opening, self.running, self.exporting = Work(), Work(), Work(), Work()
        self._held: Held | None = None
        self._of_file: dict[str, Any] = {}
        self._uploads: dict[str, Path] = {}
        self._folder: Path | None = None
        self._quiet = False
        self._wanted: tuple[str, ...] = ()
        self.elements.param.watch(self._elements_changed, [*_OF_ELEMENTS, "energy"])
        self.param.watch(self._update_stale, ["analysis", "recipe"])

    @property
    def works(self) -> tuple[Work, ...]:
        """All long work."""
        return self.listing, self.opening, self.running, self.exporting

    def deliver_by(self, deliver: Deliver) -> None:
        """Say how results of long work reach the thread that owns this state."""
        for work in self.works:
            work.deliver = deliver

    # Files

    def look(self) -> None:
        """Look anew which files may be opened."""
        self.listing.start("Looking for files", lambda _: self.roots.names(), self._found)

    def open(self, name: str, *, spectrum_image: int | str | None = None) -> None:
        """Open a file of the list; settings stay as far as they fit, elements are the file's unless set by hand."""
        try:
            path = self._uploads.get(name) or self.roots.find(name)
        except InputError as error:
            self._say(str(error))
            return
        self.running.cancel()
        reading = partial(_open, path, name, None if self.local else name, spectrum_image)
        self.opening.start(f"Opening {name}", reading, partial(self._opened, name, spectrum_image))

    def receive(self, name: str, path: Path) -> None:
        """Take a file that was uploaded for this session, and open it."""
        shown = f"{UPLOADED}/{name}"
        self._uploads[shown] = path
        self._put(files=tuple(dict.fromkeys((shown, *self.files))))
        self.open(shown)

    @property
    def folder(self) -> Path:
        """A folder for files of this session; it goes with the state."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="edsnb-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    # Settings

    def set(self, **settings: Any) -> None:
        """Change settings of the recipe, None for the default; what is set is kept even where it cannot be used."""
        self._change({**self.settings, **settings})

    def load(self, recipe: Recipe) -> None:
        """Take all settings from a recipe; elements it leaves open are those of the file."""
        values = {name: getattr(recipe, name) for name in _DEFAULTS}
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
        self._say(note)

    def use_table(self, data: bytes, name: str) -> None:
        """Quantify with a table of k-factors: a Velox export, or TOML as KFactors.save writes it."""
        path = self.folder / f"table{Path(name).suffix.lower()}"
        try:
            path.write_bytes(data)
            table = KFactors.load(path)
        except EdsnbError as error:
            self._say(plain(error).replace(str(path), name))
            return
        source = table.source.replace(path.name, name)
        self.set(kfactors=replace(table, source=source), k_convention=None)
        self._say(f"{len(table.factors)} k-factors of {name}.")

    # Results

    def run(self) -> None:
        """Cut, fit and quantify; chips and fit of the last run are taken over where they are the same."""
        if self.image is None or self.recipe is None:
            self._say(self.problem or "Open a file first.")
            return
        image, recipe, previous = self.image, self.recipe, self.analysis
        work = partial(_analyse, image, recipe, previous)
        self.running.start("Fitting the chips", work, self._ran)

    def select(self, names: Iterable[str]) -> None:
        """Select chips by name; those that the last run does not have are passed over."""
        known = self._names()
        chosen = tuple(dict.fromkeys(name for name in names if known is None or name in known))
        if chosen != self.selected:
            self._put(selected=chosen)

    def export(self, formats: Iterable[str], folder: str | Path | None = None, *, overwrite: bool = False) -> None:
        """Write the last run as a ZIP to download, or into a folder of this computer."""
        if (analysis := self.analysis) is None:
            self._say("There is nothing to export: run the analysis first.")
            return
        chosen = tuple(formats)
        if not chosen:
            self._say("Choose what is to be exported.")
        elif folder is None:
            name = Path(self.file).stem or "result"
            write = partial(_zip, analysis, self.folder, name, chosen)
            self.exporting.start("Exporting", write, self._archived)
        elif self.local:
            target = Path(folder).expanduser()
            save = partial(_save, analysis, target, chosen, overwrite)
            self.exporting.start("Saving", save, lambda notes: self._say(f"Saved in {target}.", *notes))

    # Code and links

    @property
    def source(self) -> str:
        """The file as code names it: its path where the work is local, else its name."""
        return str(self.image.source) if self.local and self.image is not None else self.file or "map.emd"

    def code(self) -> str:
        """Return Python that gives the same numbers."""
        return scripts.python(self.source, self.recipe) if self.recipe is not None else f"# {self.problem}\n"

    def toml(self) -> str:
        """Return the recipe as TOML."""
        return scripts.recipe_toml(self.recipe) if self.recipe is not None else f"# {self.problem}\n"

    def command(self) -> str:
        """Return the command that runs the recipe, saved as recipe.toml."""
        return scripts.command(self.source, self.recipe) if self.recipe is not None else ""

    def query(self) -> dict[str, str]:
        """Return the query of a link that shows the same; uploaded files cannot be in it."""
        query = {"file": self.file} if self.file and self.file not in self._uploads else {}
        settings = dict(self.settings)
        if all(settings.get(name) == self._of_file.get(name) for name in _OF_ELEMENTS):
            settings = {name: value for name, value in settings.items() if name not in _OF_ELEMENTS}
        query |= to_query(settings)
        if self.tab != TABS[0]:
            query["tab"] = self.tab
        if self.selected:
            query["at"] = ",".join(self.selected[:20])
        return query

    def follow(self, query: Mapping[str, str]) -> None:
        """Show what a link says, as far as it can be shown."""
        settings, problems = from_query(query)
        if settings:
            self._change({**self._of_file, **settings})
        if query.get("tab") in TABS:
            self.tab = query["tab"]
        self._wanted = tuple(name for name in query.get("at", "").split(",") if name)
        if file := query.get("file"):
            self.open(file, spectrum_image=settings.get("spectrum_image"))
        if problems:
            self._say(self.message, *problems)

    def close(self) -> None:
        """End all work and let go of everything large, as when the browser is closed."""
        for work in self.works:
            work.cancel()
        self._held, self._uploads = None, {}
        self._put(image=None, analysis=None, archive=None, file="", files=(), selected=(), stale=())
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # What follows from what

    def _put(self, **values: Any) -> None:
        with param.edit_constant(self):
            self.param.update(**values)

    def _say(self, *sentences: str) -> None:
        self._put(message=" ".join(filter(None, sentences)))

    def _names(self) -> frozenset[str] | None:
        return None if self.analysis is None else frozenset(self.analysis.spectra.names)

    def _found(self, names: tuple[str, ...]) -> None:
        self._put(files=(*self._uploads, *names))

    def _opened(self, name: str, which: int | str | None, opened: tuple[Held, SpectrumImage]) -> None:
        self._held, image = opened
        by_hand = any(self.settings.get(key) != self._of_file.get(key) for key in _OF_ELEMENTS)
        settings = {k: v for k, v in self.settings.items() if by_hand or k not in _OF_ELEMENTS}
        settings, notes = fitted_to({**settings, "spectrum_image": which}, image)
        with self._silence():
            self.elements.load(image)
            self._of_file = self.elements.recipe_fields()
        self._put(file=name, image=image, analysis=None, archive=None, selected=())
        self._change({**self._of_file, **settings}, start=True)
        self._say(*notes)

    def _change(self, settings: Mapping[str, Any], *, start: bool = False) -> None:
        """Take over settings, tell them to the elements, and make a recipe of them; run it where that is wanted."""
        kept = {name: value for name, value in settings.items() if value is not None and value != _DEFAULTS[name]}
        if self.image is not None:
            kept |= self._tell_elements(kept)
        try:
            recipe, problem = resolve(kept, self.image), ""
        except EdsnbError as error:
            recipe, problem = None, plain(error)
        changed = recipe is not None and recipe != self.recipe
        self._put(settings=kept, recipe=recipe, problem=problem)
        if recipe is None:
            self.running.cancel()
        elif self.auto and self.image is not None and (changed or start):
            self.run()

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
        usual = tuple(default_range(self.image))
        self.set(**self.elements.recipe_fields(), energy=None if energy == usual else energy)

    @contextmanager
    def _silence(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _ran(self, analysis: Analysis) -> None:
        names = frozenset(analysis.spectra.names)
        wanted, self._wanted = self._wanted or self.selected, ()
        kept = tuple(name for name in wanted if name in names) or analysis.spectra.names[:1]
        self._put(analysis=analysis, selected=kept, archive=None)

    def _update_stale(self, *_: object) -> None:
        before = None if self.analysis is None else self.analysis.asked
        stale = changes(before, self.recipe) if before is not None and self.recipe is not None else ()
        self._put(stale=stale)

    def _archived(self, archive: Archive) -> None:
        self._put(archive=archive)
        self._say(*archive.notes)


_DEFAULTS: Mapping[str, Any] = {name: spec.default for name, spec in Recipe.__dataclass_fields__.items()}


def plain(error: EdsnbError) -> str:
    """Return an error as a sentence for people who see fields, not records."""
    text = str(error).removeprefix("recipe: ")
    return text[:1].upper() + text[1:]


def _open(
    path: Path, name: str, shown: str | None, which: int | str | None, progress: Progress
) -> tuple[Held, SpectrumImage]:
    """Open a file, or take the copy that others look at; messages and record name it as it was asked for."""
    try:
        held = SHARED.open(path, spectrum_image=which, progress=progress, check=check_self_contained)
    except EdsnbError as error:
        raise type(error)(str(error).replace(str(path), name)) from error
    return held, held.image if shown is None else replace(held.image, source=shown)


def _analyse(image: SpectrumImage, recipe: Recipe, previous: Analysis | None, progress: Progress) -> Analysis:
    return analyse(image, recipe, previous=previous, progress=progress)


def _zip(analysis: Analysis, folder: Path, name: str, formats: tuple[str, ...], progress: Progress) -> Archive:
    return write_archive(analysis, folder, name, formats, progress=progress)


def _save(
    analysis: Analysis, folder: Path, formats: tuple[str, ...], overwrite: bool, progress: Progress
) -> tuple[str, ...]:
    return write_result(analysis, folder, formats, overwrite=overwrite, progress=progress)
