/* The valve positioner the builtin files share: identification, values, texts and helpers. */
#ifndef VALVE_H
#define VALVE_H
#define VALVE_TYPE 0x0A51
#define WHOLE(name, text, octets) \
    VARIABLE name { LABEL text; CLASS DEVICE; TYPE UNSIGNED_INTEGER (octets) { MIN_VALUE 0; } }
#define DECIMAL(name, text, unit) \
    VARIABLE name { LABEL text; CLASS DEVICE & DYNAMIC; CONSTANT_UNIT unit; TYPE FLOAT { DISPLAY_FORMAT "6.2f"; } }

MANUFACTURER 0x0000AC, DEVICE_TYPE VALVE_TYPE, DEVICE_REVISION 1, DD_REVISION 1

DECIMAL(travel,   "|en|Travel|de|Stellweg",  "%")
DECIMAL(setpoint, "|en|Setpoint|de|Sollwert", "%")
WHOLE(cycles, "Cycles", 4)
WHOLE(channel, "Channel", 1)
VARIABLE tag    { LABEL "Tag"; CLASS DEVICE; TYPE ASCII (16); }
VARIABLE made   { LABEL "Made"; CLASS DEVICE; TYPE DATE; }
VARIABLE mode
{
    LABEL "Mode"; CLASS DEVICE;
    TYPE ENUMERATED (1) { { 0, "|en|Manual|de|Hand" }, { 1, "|en|Automatic|de|Automatik" } }
}
VARIABLE device_state { LABEL "State"; CLASS DIAGNOSTIC; HANDLING READ; TYPE BIT_ENUMERATED (1) { { 1, "Stuck" } } }
COLLECTION ends { MEMBERS { OPEN, travel; CLOSED, setpoint; } }
RECORD limits { MEMBERS { LOW, travel; HIGH, setpoint; } }
ARRAY OF VARIABLE values { ELEMENTS { 0, travel; 1, setpoint; } }
LIST history { TYPE travel; CAPACITY 8; COUNT cycles; }
MENU details { LABEL "Details"; STYLE DIALOG; ITEMS { travel, setpoint } }
METHOD leave { LABEL "Leave"; CLASS INPUT; DEFINITION { setpoint = 0.0; } }
COMMAND read_travel
{
    NUMBER 3; OPERATION READ;
    TRANSACTION 0 { REQUEST { } REPLY { response_code, device_status, travel } }
    TRANSACTION 1 { REQUEST { channel (INFO, INDEX) } REPLY { response_code, device_status, values[channel] } }
    RESPONSE_CODES { 0, SUCCESS, "OK"; 5, MISC_ERROR, "Too few octets"; }
}
#endif
