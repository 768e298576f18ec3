"""The output formats, a module each; its name is the format's name and the suffix of its files.

A module `NAME.py` here that defines `FORMAT` (see `pipeline.files.output_format`) is a format that `run --format NAME`
and `enrich --out FILE.NAME` can write; nothing else needs to know about it.
"""
