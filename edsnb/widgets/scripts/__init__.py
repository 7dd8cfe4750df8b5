"""Scripts, styles and pages that the browser gets."""

from pathlib import Path

SCRIPTS = Path(__file__).parent


def script(name: str) -> str:
    """Return the text of one of them: as text it reaches a notebook too, where no file is served."""
    return (SCRIPTS / name).read_text(encoding="utf-8")


def mends(*names: str) -> str:
    """Return scripts that mend Bokeh's and Panel's, as one that leaves no names behind in the page."""
    return "(function () {\n" + "".join(map(script, ("when.js", *names))) + "})();\n"
