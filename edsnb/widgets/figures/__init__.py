"""Maps and spectra as Bokeh draws them."""
