"""`/docs`: the OpenAPI document as one plain page made here. No script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI, Response

METHODS = ("get", "post", "put", "delete")
# Its own policy: only the style below.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
STYLE = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem;text-transform:capitalize}
details{border:1px solid #8884;border-radius:4px;margin:.3rem 0;padding:.35rem .7rem}summary{cursor:pointer}
code,.method{font:13px/1.4 ui-monospace,monospace}.method{display:inline-block;width:4.2rem;font-weight:700}
.brief{opacity:.75;margin-left:.8rem}table{border-collapse:collapse;margin:.5rem 0}
td,th{border:1px solid #8884;padding:.15rem .5rem;text-align:left;font-weight:normal;vertical-align:top}th{opacity:.75}
pre{white-space:pre-wrap;margin:.4rem 0}
"""


def add_docs(app: FastAPI) -> None:
    """Serve the page; the document itself stays at /openapi.json."""

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(page(app.openapi()), media_type="text/html", headers={"Content-Security-Policy": POLICY})


def page(document: Mapping[str, Any]) -> str:
    """The whole page."""
    info = document["info"]
    title = f"{info['title']} {info['version']}"
    by_tag: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                operation = operations[method]
                tag = next(iter(operation.get("tags", ())), "other")
                by_tag.setdefault(tag, []).append(_operation(document, path, method, operation))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(entries)}" for tag, entries in by_tag.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style><h1>{escape(title)}</h1>'
        f"<p>{escape(info.get('description', ''))}</p>"
        '<p>Machine-readable: <a href="/openapi.json">/openapi.json</a></p>'
        f"{body}</html>"
    )


def _operation(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    text = operation.get("description", "")
    brief = text.split("\n", 1)[0]
    return (
        f'<details><summary><span class="method">{method.upper()}</span><code>{escape(path)}</code>'
        f'<span class="brief">{escape(brief)}</span></summary>'
        f"<pre>{escape(text)}</pre>{_parameters(operation)}{_bodies(document, operation)}{_answers(operation)}</details>"
    )


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(entry['name'])}</code><td>{escape(entry['in'])}"
        f"<td>{'required' if entry.get('required') else 'optional'}<td>{escape(_type(entry.get('schema', {})))}"
        f"<td>{escape(entry.get('description') or entry.get('schema', {}).get('description', ''))}"
        for entry in operation.get("parameters", ())
    )
    return f"<table><tr><th>name<th>in<th><th>type<th>{rows}</table>" if rows else ""


def _bodies(document: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
    contents = operation.get("requestBody", {}).get("content", {})
    return "".join(
        f"<p>Body <code>{escape(kind)}</code></p><table><tr><th>field<th><th>type<th>"
        f"{''.join(_fields(document, content.get('schema', {})))}</table>"
        for kind, content in contents.items()
    )


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    for found in (schema, *schema.get("anyOf", ())):
        reference = found.get("$ref", "").rsplit("/", 1)[-1]
        shape = document.get("components", {}).get("schemas", {}).get(reference, found)
        required = set(shape.get("required", ()))
        for name, field in shape.get("properties", {}).items():
            yield (
                f"<tr><td><code>{escape(name)}</code><td>{'required' if name in required else 'optional'}"
                f"<td>{escape(_type(field))}<td>{escape(field.get('description', ''))}"
            )


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(entry) for entry in schema["anyOf"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    return f"{kind} ({', '.join(limits)})" if limits else kind


_LIMITS = {"minimum": "from", "maximum": "to", "minLength": "at least", "maxLength": "at most", "default": "default"}


def _answers(operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(code)}<td>{escape(answer.get('description', ''))}"
        for code, answer in operation.get("responses", {}).items()
    )
    return f"<table><tr><th>answer<th>{rows}</table>"
