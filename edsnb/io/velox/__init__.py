"""Velox .emd files, read and written.

``read`` puts the record of a file together from ``stream`` (X-rays), ``cube`` (what a reduced file has left of them),
``raster``, ``settings`` and ``stored``; ``log`` and ``maps`` are Velox's own results; ``write`` and ``layout`` make
such a file. Tables that Velox exports are in `edsnb.io.velox_tables`.
"""
