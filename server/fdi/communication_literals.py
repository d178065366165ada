"""Numbers and names of communication services and of direct access (IEC 62769-7, IEC 62769-5).

Evidence: V = read in the specification text, P = chosen by this project because the standard's value is unknown.
"""

from __future__ import annotations

PROTOCOL_IDENTIFIER = "mqtt_json"
"""P: the communication profile of the packages built here; `profile` of their catalogs."""

# --- ServiceError -------------------------------------------------------------------------------------------
SERVICE_OK = 0  # V
DEVICE_NOT_FOUND = -3  # V
INVALID_ADDRESS = -4  # V
NO_ANSWER = -6  # P: the device did not answer, or is away
NO_RELATION = -7  # P: no CommunicationRelationId of this session
TOO_MANY_RELATIONS = -8  # P
INVALID_REQUEST = -9  # P: no such command, or data that the command does not take

# --- direct access: InitDirectAccessError, TransferError, EndDirectAccessError (P) --------------------------
NOT_LOCKED = -1
ALREADY_OPEN = -2
NOT_ONLINE = -3
NOT_OPEN = -4

# --- documents ----------------------------------------------------------------------------------------------
GENERIC_NAMESPACE = "http://fdi-cooperation.com/2010/generic"  # P
SEND_DATA = "sendData"  # V
RECEIVE_DATA = "receiveData"  # V
HEADER = "Header"  # V
REQUEST_DATA = "RequestData"  # V
RESPONSE_DATA = "ResponseData"  # P
RESPONSE_CODES = "ResponseCodes"  # P
SERVICE_ERROR = "ServiceError"  # P
SCAN_RESULT = "TopologyScanResult"  # P
CONNECTION_POINT = "ConnectionPoint"  # V
IDENTIFICATION = "Identification"  # V
