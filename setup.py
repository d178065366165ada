"""The one compiled module, `server.opcua.wire._typed`: built where Cython and a C compiler are, left out elsewhere."""

from __future__ import annotations

from setuptools import Extension, setup

try:
    from Cython.Build import cythonize
except ImportError:
    modules = []
else:
    typed = Extension("server.opcua.wire._typed", ["server/opcua/wire/_typed.pyx"], optional=True)
    modules = cythonize([typed], build_dir="build")

setup(ext_modules=modules)
