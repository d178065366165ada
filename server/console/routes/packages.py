"""FDI packages: list, details, documents, upload, roll back, removal."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from server.console.auth import READER, Console, PackageKeeper
from server.console.problems import ProblemError

router = APIRouter(prefix="/api/packages", tags=["packages"])

PackageId = Annotated[str, Path(max_length=64, description="PackageId or device type id")]
Version = Annotated[str | None, Query(max_length=32)]
INLINE_TYPES = frozenset({"application/pdf", "image/png", "image/jpeg", "text/plain"})
RAW_TYPES = frozenset({"application/octet-stream", "application/zip", "application/vnd.fdi-package", ""})

_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}


@router.get("", dependencies=READER)
async def list_packages(context: Console) -> list[dict[str, Any]]:
    """Every installed package and version."""
    # Aside: the store may be writing to the disk, and whoever reads it waits.
    return await asyncio.to_thread(context.packages.list)


@router.post("", status_code=201, openapi_extra=_UPLOAD)
async def upload_package(request: Request, context: Console, caller: PackageKeeper) -> list[dict[str, Any]]:
    """Install a package (`.fdix`), as the raw body or as the one file of a form; usable when this answers.

    422 tells why a package is refused: part, line and rule; nothing of it is kept.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        data = await _from_form(request)
    elif kind in RAW_TYPES:
        data = await request.body()
    else:
        raise ProblemError(415, "send the package as application/octet-stream or as a form with one file")
    if not data:
        raise ProblemError(422, "the upload is empty")
    return await context.packages.install(data, caller)


async def _from_form(request: Request) -> bytes:
    try:
        async with request.form(max_files=1, max_fields=4) as form:
            found = next((entry for entry in form.values() if isinstance(entry, UploadFile)), None)
            if found is None:
                raise ProblemError(422, "the form holds no file")
            return await found.read()
    except MultiPartException as error:
        raise ProblemError(422, f"the form cannot be read: {error.message}") from None


@router.get("/{package}", dependencies=READER)
async def package_details(package: PackageId, context: Console, version: Version = None) -> dict[str, Any]:
    """Parameters, commands and documents of one package."""
    return await asyncio.to_thread(context.packages.details, package, version)


@router.get("/{package}/documents/{name:path}", response_class=Response, dependencies=READER)
async def package_document(
    package: PackageId, name: Annotated[str, Path(max_length=256)], context: Console
) -> Response:
    """One document or image of a package."""
    kind, data = await asyncio.to_thread(context.packages.document, package, name)
    # What a package calls HTML must not run as a page of this site.
    inline = kind in INLINE_TYPES
    place = f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(name.rsplit('/', 1)[-1])}"
    return Response(
        data,
        media_type=kind if inline else "application/octet-stream",
        headers={"Content-Disposition": place, "Content-Security-Policy": "sandbox; default-src 'none'"},
    )


@router.post("/{package}/rollback")
async def roll_back_package(
    package: PackageId, context: Console, caller: PackageKeeper, version: Version = None
) -> dict[str, Any]:
    """Put an earlier version in use: the one named, else the next below; devices stay, and so does the choice."""
    return await context.packages.rollback(package, version, caller)


@router.delete("/{package}", status_code=204)
async def remove_package(package: PackageId, context: Console, caller: PackageKeeper, version: Version = None) -> None:
    """Remove a package or one version of it; the next lower one takes over, else its devices go; history stays."""
    await context.packages.remove(package, version, caller)
