"""The one compiled module, `server.opcua.wire._typed`: built where Cython and a C compiler are, left out elsewhere."""

from __future__ import annotations

from setuptools import Extension, setup

try:
    from Cython.Build import cythonize
except ImportError:
    modules = []
else:
    modules = cythonize([Extension("server.opcua.wire._typed", ["server/opcua/wire/_typed.pyx"])], build_dir="build")
    for module in modules:
        module.optional = True  # said here because cythonize makes new ones without it

setup(ext_modules=modules)
