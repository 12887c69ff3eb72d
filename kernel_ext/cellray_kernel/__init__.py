"""The notebook face of Cellray: magics, cell provenance and widgets, loaded by ``%load_ext cellray``."""
