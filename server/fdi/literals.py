"""Every literal of the FDI Package format, in one place.

Evidence: V = read in the specification text, I = ISO/IEC 29500-2, R = reconstructed and unconfirmed,
P = chosen by this project because the standard's spelling is unknown. Only V and I are certain; when R or P
turn out to be spelt differently, this module is what changes.
"""

from __future__ import annotations

# --- container ---------------------------------------------------------------------------------------------
CONTENT_TYPES_ITEM = "[Content_Types].xml"  # I
CONTENT_TYPES_NAMESPACE = "http://schemas.openxmlformats.org/package/2006/content-types"  # I
RELATIONSHIPS_NAMESPACE = "http://schemas.openxmlformats.org/package/2006/relationships"  # I
RELATIONSHIPS_CONTENT_TYPE = "application/vnd.openxmlformats-package.relationships+xml"  # I
PACKAGE_EXTENSION = ".fdix"  # R

# --- catalog -----------------------------------------------------------------------------------------------
CATALOG_NAMESPACE = "http://fdi-cooperation.com/2010/package"  # V
CATALOG_ROOT = "Catalog"  # V
CATALOG_PART = "/catalog.xml"  # P
CATALOG_CONTENT_TYPE = "text/xml"  # P
PACKAGE_TYPES = ("Device", "Communication", "UIP", "Profile")  # P: the packaging tool's words
DEVICE_PACKAGE_TYPES = ("device", "profile")  # P, lower case: packages that describe device types
UIP_PACKAGE_TYPE = "UIP"  # P
COMMUNICATION_PACKAGE_TYPE = "Communication"  # P
REGISTRATION_ROOT = "FdiRegistrationCert"  # V
UIP_STYLES = ("Window", "Dialog")  # R: StyleType of the official NodeSet, 1 and 2
CATALOG_ORDER = (  # V
    "PackageId",
    "PackageType",
    "Version",
    "FdiVersionSupported",
    "ManufacturerName",
    "ManufacturerContact",
    "ManufacturerUrl",
    "ManufacturerImage",
    "CommunicationServer",
    "ListOfDeviceTypes",
)
CATALOG_EXTENSIONS = ("ListOfUips",)  # P: where the plug-ins of a package stand is unknown, so anywhere
ROLES = ("Master", "Slave", "Device", "Gateway")  # P
DEFAULT_CLASSIFICATION = "UNIVERSAL"  # P
FDI_VERSION = (1, 2, 0)
"""The FDI technology version this server implements: IEC 62769 edition 1.2."""

# --- relationship types (all P unless said) ----------------------------------------------------------------
_FDI = "http://fdi-cooperation.com/2010/relationships/"
_OWN = "urn:fdi-server:relationships:"
RELATIONSHIP_CATALOG = _FDI + "catalog"
RELATIONSHIP_EDD_BINARY = _FDI + "edd"
RELATIONSHIP_EDD_SOURCE = _OWN + "edd-source"
RELATIONSHIP_EDD_DICTIONARY = _OWN + "edd-dictionary"
RELATIONSHIP_EDD_INCLUDE = _OWN + "edd-include"
RELATIONSHIP_DOCUMENT = _FDI + "attachment-documentation"
RELATIONSHIP_PROTOCOL = _FDI + "attachment-protocol"
RELATIONSHIP_IMAGE = _FDI + "attachment-image"
RELATIONSHIP_UIP = _FDI + "uip"
RELATIONSHIP_REGISTRATION = _FDI + "registration"

# --- parts of packages built here (P) ----------------------------------------------------------------------
BINDING_FILE = "mqtt.toml"
"""Last segment of the protocol support file that says how the device talks MQTT."""
ALARM_FILE = "alarms.toml"
"""Last segment of the protocol support file that says more of its alarms than the EDD can."""

CONTENT_TYPE_BY_SUFFIX = {
    ".ddl": "text/plain",
    ".dct": "text/plain",
    ".dc8": "text/plain",
    ".h": "text/plain",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".md": "text/plain",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".toml": "text/plain",
    ".txt": "text/plain",
    ".xml": "text/xml",
    ".zip": "application/zip",
}
"""Generic content types only: a part of an unlisted media type would not belong into an FDI Package."""
BINARY_CONTENT_TYPE = "application/octet-stream"  # P: encoded EDDs and plug-ins that are no ZIP
