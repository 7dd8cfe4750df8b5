"""What a widget shows and lets be set, as `param` classes: no Panel, no Bokeh, no numerics."""
