"""The built-in example: the published case as a simulated map, made once and kept in the user's cache."""

from __future__ import annotations

from pathlib import Path

from edsnb import __version__
from edsnb.core.simulation.simulate import simulate
from edsnb.errors import OutputError
from edsnb.io.velox.write import truth_path, write_velox


def example() -> Path:
    """Return the path of the built-in example, a Velox file; the first call takes some seconds to simulate it.

    A LaFeO3 film on SrTiO3, 512 x 512 pixels, 31 million X-rays (100 MB). Simulated, not measured: what is true of it
    stands beside it, in ``example.truth.json``.

    Raises
    ------
    OutputError
        The user's cache folder cannot be written.
    """
    from platformdirs import user_cache_path

    path = user_cache_path("edsnb", appauthor=False) / __version__ / "example.emd"
    if not (path.exists() and truth_path(path).exists()):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_velox(simulate(), path, overwrite=True)
        except OSError as error:
            raise OutputError(f"the example cannot be kept in {path.parent}: {error.strerror or error}.") from error
        except OutputError:
            # Another process may have made it meanwhile, and have it open.
            if not path.exists():
                raise
    return path
