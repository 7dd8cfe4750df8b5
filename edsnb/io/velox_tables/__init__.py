"""Tables of composition that Velox exports or somebody compiled, read; and stand-ins for them, written.

``read`` makes one Composition of a file or a folder of batches: ``headings`` says what a heading means, ``columns`` and
``forms`` which shape a table has, ``entries`` what it says of one region, ``batches`` which chip that is, and ``units``
how its values become percent. ``write`` makes the stand-ins.
"""
