"""Maps whose truth is known: films, phases, emitted spectra, drawn X-rays."""
