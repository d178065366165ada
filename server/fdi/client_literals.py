"""Names in the XML that FDI Clients read and write: Action values, responses, method arguments, UI descriptions.

Evidence: V = read in the specification text (IEC 62769-2 Annex A fragments), P = chosen by this project in the same
style because the standard's spelling is unknown. `client.xsd` is the schema of it all.
"""

from __future__ import annotations

CLIENT_NAMESPACE = "http://fdi-cooperation.com/2010/client"  # P
CLIENT_SCHEMA_FILE = "client.xsd"  # P

# --- method arguments and the value of an Action (P) --------------------------------------------------------
METHOD_ARGUMENTS = "MethodArguments"
ARGUMENT = "Argument"
ACTION = "Action"
REQUEST = "Request"
RESULT = "Result"
ERROR = "Error"

# --- what a METHOD asks or tells (P but where said) ---------------------------------------------------------
INFO = "Info"
DELAY = "Delay"
ACKNOWLEDGEMENT_REQUEST = "AcknowledgementRequest"
INPUT_REQUEST = "InputRequest"  # V: InputRequestT
PARAMETER_INPUT_REQUEST = "ParameterInputRequest"
SELECTION_REQUEST = "SelectionRequest"
MENU_REQUEST = "MenuRequest"
PROMPT = "Prompt"  # V
INPUT_VALUE = "InputValue"  # V
INITIAL_VALUE = "InitialValue"  # V
OPTIONS = "Options"  # V
OPTION = "Option"  # V
VALUE = "Value"  # V
BUTTON_LIST = "ButtonList"
BUTTON = "Button"  # V

# --- what the user answers (P but where said) ---------------------------------------------------------------
ACKNOWLEDGEMENT_RESPONSE = "AcknowledgementResponse"
INPUT_RESPONSE = "InputResponse"  # V: InputResponseT
PARAMETER_INPUT_RESPONSE = "ParameterInputResponse"
SELECTION_RESPONSE = "SelectionResponse"
MENU_RESPONSE = "MenuResponse"
ABORT_RESPONSE = "AbortResponse"
REQUEST_ID = "RequestId"

# --- user interface descriptions ----------------------------------------------------------------------------
UI_DESCRIPTION = "UIDescription"  # P
LABEL = "Label"  # V
HELP = "Help"  # V

# --- data types by the number of their NodeId in namespace 0 (V) --------------------------------------------
NAMES_OF_TYPES = {
    1: "Boolean",
    2: "SByte",
    3: "Byte",
    4: "Int16",
    5: "UInt16",
    6: "Int32",
    7: "UInt32",
    8: "Int64",
    9: "UInt64",
    10: "Float",
    11: "Double",
    12: "String",
    13: "DateTime",
    15: "ByteString",
    290: "Duration",
}
