"""Names and limits of package signatures: ISO/IEC 29500-2 clause 13, XML Signature, XAdES. All of them are certain."""

from __future__ import annotations

# --- container ---------------------------------------------------------------------------------------------
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/"
RELATIONSHIP_ORIGIN = _PACKAGE + "relationships/digital-signature/origin"
RELATIONSHIP_SIGNATURE = _PACKAGE + "relationships/digital-signature/signature"
RELATIONSHIP_CERTIFICATE = _PACKAGE + "relationships/digital-signature/certificate"
ORIGIN_CONTENT_TYPE = "application/vnd.openxmlformats-package.digital-signature-origin"
SIGNATURE_CONTENT_TYPE = "application/vnd.openxmlformats-package.digital-signature-xmlsignature+xml"
CERTIFICATE_CONTENT_TYPE = "application/vnd.openxmlformats-package.digital-signature-certificate"
ORIGIN_PART = "/package/services/digital-signature/origin.psdsor"
SIGNATURE_PART = "/package/services/digital-signature/xml-signature/{}.psdsxs"

# --- XML Signature -----------------------------------------------------------------------------------------
DSIG = "http://www.w3.org/2000/09/xmldsig#"
TYPE_OBJECT = DSIG + "Object"
TRANSFORM_RELATIONSHIPS = _PACKAGE + "RelationshipTransform"
MDSSI = _PACKAGE + "digital-signature"
PACKAGE_OBJECT = "idPackageObject"

# --- XAdES -------------------------------------------------------------------------------------------------
XADES = "http://uri.etsi.org/01903/v1.3.2#"
TYPE_SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"

# --- limits: what one package may make us compute ----------------------------------------------------------
MAX_SIGNATURES = 10
MAX_REFERENCES = 2_000  # in one signature, SignedInfo and Manifest together
MAX_SOURCES = 2_000  # RelationshipReference and RelationshipsGroupReference of one transform
MAX_TRANSFORMS = 2  # of one reference
MAX_CERTIFICATES = 16  # beside one signature
MAX_CERTIFICATE_BYTES = 64 * 1024
MAX_TOKEN_BYTES = 128 * 1024
MAX_SIGNATURE_BYTES = 2 * 1024  # an RSA key of 16 384 bits
MAX_PATH = 8  # certificates from signer to trusted one
MAX_PATH_CHECKS = 100  # signatures of certificates checked while a path is looked for
