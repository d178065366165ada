"""What is digested, byte for byte: canonical form and the relationships transform, against forms written by hand."""

from __future__ import annotations

from xml.etree.ElementTree import canonicalize
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from server.fdi.errors import PackageError
from server.fdi.signature.algorithms import Canonicalization
from server.fdi.signature.canonical import canonical, canonical_part, parse, parse_signature
from server.fdi.signature.relationship_transform import Selection, transform
from server.fdi.signature.result import SignatureError
from server.fdi.xml_reader import XmlLimits, read_xml

LIMITS = XmlLimits()
INCLUSIVE = Canonicalization(exclusive=False, comments=False)
EXCLUSIVE = Canonicalization(exclusive=True, comments=False)
COMMENTS = Canonicalization(exclusive=False, comments=True)
NAMESPACE = "http://schemas.openxmlformats.org/package/2006/relationships"


def form(text: str, path: str, method: Canonicalization = INCLUSIVE) -> str:
    root = parse(text.encode(), part="/x.xml", limits=LIMITS)
    return canonical(root.find(path), method).decode()


def test_a_subtree_keeps_the_namespaces_that_hold_where_it_stands() -> None:
    # Canonical XML 1.0, 2.3: every namespace in scope of the apex is written, used or not; exclusive writes used ones.
    text = '<a xmlns="urn:a" xmlns:p="urn:p"><b z="1" a="2"><c><p:d/><e/></c></b></a>'
    inside = "<c><p:d></p:d><e></e></c></b>"
    assert form(text, "{urn:a}b") == f'<b xmlns="urn:a" xmlns:p="urn:p" a="2" z="1">{inside}'
    used = inside.replace("<p:d>", '<p:d xmlns:p="urn:p">')
    assert form(text, "{urn:a}b", EXCLUSIVE) == f'<b xmlns="urn:a" a="2" z="1">{used}'


def test_a_default_namespace_taken_back_stays_so() -> None:
    text = '<a xmlns="urn:a"><b><c xmlns=""><d/></c></b></a>'
    assert form(text, "{urn:a}b") == '<b xmlns="urn:a"><c xmlns=""><d></d></c></b>'


def test_texts_and_attributes_are_written_as_the_standard_says() -> None:
    # Canonical XML 1.0, 3.4: character modifications.
    text = "<a><b x='&lt;&quot;&#9;&#10;&#13;&gt;'>&lt;&gt;&amp;&#13;\"<![CDATA[<x>]]></b>tail</a>"
    assert form(text, "b") == '<b x="&lt;&quot;&#x9;&#xA;&#xD;>">&lt;&gt;&amp;&#xD;"&lt;x&gt;</b>'


def test_a_document_keeps_comments_only_when_asked() -> None:
    root = parse(b"<?xml version='1.0'?><!-- one --><a><!-- two --></a>", part="/x.xml", limits=LIMITS)
    assert canonical_part(root, INCLUSIVE) == b"<a></a>"
    assert canonical_part(root, COMMENTS) == b"<!-- one -->\n<a><!-- two --></a>"


def test_a_relative_namespace_has_no_canonical_form() -> None:
    with pytest.raises(SignatureError) as caught:
        form('<a xmlns:p="relative"><b/></a>', "b")
    assert caught.value.rule == "signature.xml"


@pytest.mark.parametrize(
    "text",
    [
        "<a><!-- comment --></a>",
        "<!-- before --><a/>",
        "<a/><!-- behind -->",
        "<a><?target data?></a>",
        '<a><b xml:base="urn:x"/></a>',
        '<a xml:space="preserve"/>',
    ],
)
def test_a_signature_part_can_be_read_in_one_way_only(text: str) -> None:
    with pytest.raises(SignatureError) as caught:
        parse_signature(text.encode(), part="/s.xml", limits=LIMITS)
    assert caught.value.rule == "signature.xml"


def test_a_document_type_is_refused_before_libxml2_sees_it() -> None:
    with pytest.raises(PackageError) as caught:
        parse(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>', part="/x.xml", limits=LIMITS)
    assert caught.value.rule == "xml.dtd"


RELATIONSHIPS = f"""<?xml version="1.0"?>
<Relationships xmlns="{NAMESPACE}">
  <!-- order, spaces and comments do not count -->
  <Relationship Target="b.xml" Id="rIdB" Type="urn:t:one"/>
  <Relationship TargetMode="External" Type="urn:t:two" Id="rIdA" Target="http://example.com/?a=1&amp;b=2"></Relationship>
  <Relationship Id="Z" Type="urn:t:one" Target="../z.xml"/>
  <Relationship Id="rIdC" Type="urn:t:three" Target="c.xml"/>
</Relationships>"""
ONE = {
    "Z": '<Relationship Id="Z" Target="../z.xml" TargetMode="Internal" Type="urn:t:one"></Relationship>',
    "rIdA": '<Relationship Id="rIdA" Target="http://example.com/?a=1&amp;b=2" TargetMode="External" Type="urn:t:two">'
    "</Relationship>",
    "rIdB": '<Relationship Id="rIdB" Target="b.xml" TargetMode="Internal" Type="urn:t:one"></Relationship>',
    "rIdC": '<Relationship Id="rIdC" Target="c.xml" TargetMode="Internal" Type="urn:t:three"></Relationship>',
}


@pytest.mark.parametrize(
    ("ids", "types", "kept"),
    [
        ({"rIdA", "rIdB", "rIdC", "Z"}, set(), ["Z", "rIdA", "rIdB", "rIdC"]),
        (set(), {"urn:t:one"}, ["Z", "rIdB"]),
        ({"rIdA"}, {"urn:t:one"}, ["Z", "rIdA", "rIdB"]),
        ({"ridb"}, {"URN:T:ONE"}, []),
        ({"missing"}, set(), []),
    ],
    ids=["all-ids", "type", "both", "case-counts", "none"],
)
def test_relationships_are_chosen_sorted_and_completed(ids: set[str], types: set[str], kept: list[str]) -> None:
    # ISO/IEC 29500-2, 13.2.4.24: filter, sort by Id as case-sensitive strings, no content between, TargetMode added.
    root = read_xml(RELATIONSHIPS.encode(), part="/_rels/.rels", limits=LIMITS)
    found = transform(root, Selection(frozenset(ids), frozenset(types)), INCLUSIVE, part="/_rels/.rels")
    body = "".join(ONE[name] for name in kept)
    assert found.decode() == f'<Relationships xmlns="{NAMESPACE}">{body}</Relationships>'


def test_an_attribute_that_the_digest_would_not_protect_is_refused() -> None:
    text = RELATIONSHIPS.replace('Id="Z"', 'Id="Z" Extra="1"')
    root = read_xml(text.encode(), part="/_rels/.rels", limits=LIMITS)
    with pytest.raises(SignatureError) as caught:
        transform(root, Selection(frozenset({"Z"})), INCLUSIVE, part="/_rels/.rels")
    assert caught.value.rule == "signature.relationships"
    # Control: it does not matter on a relationship that is not covered.
    assert b"rIdC" in transform(root, Selection(frozenset({"rIdC"})), INCLUSIVE, part="/_rels/.rels")


def test_what_is_canonical_already_does_not_change() -> None:
    root = parse(RELATIONSHIPS.encode(), part="/_rels/.rels", limits=LIMITS)
    once = canonical_part(root, INCLUSIVE)
    assert canonical_part(etree.fromstring(once), INCLUSIVE) == once


NAMES = st.sampled_from(["a", "b", "p:a", "p:b", "q:c"])
TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], include_characters="\t\n\r<>&\"'"), max_size=8
)
# The other implementation does not know which of two prefixes of one namespace was written: each has its own here.
SPACES = st.fixed_dictionaries(
    {},
    optional={prefix: st.sampled_from([f"urn:{prefix}1", f"urn:{prefix}2"]) for prefix in ("", "p", "q")},
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> str:
    attributes = draw(st.dictionaries(NAMES, TEXTS, max_size=3))
    spaces = draw(SPACES)
    words = [f"xmlns{f':{prefix}' if prefix else ''}={quoteattr(uri)}" for prefix, uri in spaces.items()]
    words += [f"{name}={quoteattr(text)}" for name, text in attributes.items()]
    inner = "".join(
        draw(st.lists(trees(depth - 1) | TEXTS.map(escape), max_size=3)) if depth else [escape(draw(TEXTS))]
    )
    name = draw(NAMES)
    return f"<{' '.join([name, *words])}>{inner}</{name}>"


@given(trees())
@settings(deadline=None)
def test_the_exclusive_form_of_any_subtree_is_that_of_another_implementation(tree: str) -> None:
    # Python's own C14N 2.0 writes the namespaces that are used where they are used, as exclusive C14N 1.0 does.
    text = f'<r xmlns="urn:zero" xmlns:p="urn:p1" xmlns:q="urn:q1">{tree}</r>'
    root = parse(text.encode(), part="/x.xml", limits=LIMITS)
    alone = etree.tostring(root[0], with_tail=False, encoding="unicode")
    assert canonical(root[0], EXCLUSIVE).decode() == canonicalize(alone)
    # The inclusive form says the same in more words.
    assert canonicalize(canonical(root[0], INCLUSIVE).decode()) == canonicalize(alone)
