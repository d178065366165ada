/* Shared by the pump's sources. */
#ifndef PUMP_CODES_H
#define PUMP_CODES_H

#define PUMP_STOPPED   0
#define PUMP_DOSING    1
#define PUMP_FLUSHING  2
#define PUMP_BLOCKED   3

#define BIT(N)             (1 << (N))
#define STATE(V, TEXT)     { V, TEXT }
#define READING(NAME, TEXT, UNIT_TEXT, LOW, HIGH) \
    VARIABLE NAME                                 \
    {                                             \
        LABEL TEXT;                               \
        CLASS DEVICE & DYNAMIC;                   \
        HANDLING READ;                            \
        CONSTANT_UNIT UNIT_TEXT;                  \
        TYPE FLOAT { DISPLAY_FORMAT "7.3f"; MIN_VALUE LOW; MAX_VALUE HIGH; } \
    }

RESPONSE_CODES common_codes
{
    0,  SUCCESS,         "OK";
    8,  MISC_WARNING,    "Value was rounded";
    16, MODE_ERROR,      [text_locked], "Unlock the key switch first.";
}

#endif
