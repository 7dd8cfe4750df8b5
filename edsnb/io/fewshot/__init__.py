"""Chips handed to few-shot models and other tools, and their answers read back.

``formats`` is the table of formats (light: the command line's help is made of it), ``names`` what chips are called,
``chips`` what is handed over, ``tables``, ``pictures`` and ``cube`` the files, ``write`` and ``readme`` the folder as a
whole, ``read`` the way back.
"""
