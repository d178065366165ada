"""The words of EDDL as eddl.md lists them: constructs (section 2), attributes (5), builtins and their answers (6)."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return text.split()


CONSTRUCTS = frozenset(
    _words(
        """
    VARIABLE ARRAY ITEM_ARRAY COLLECTION RECORD COMMAND MENU METHOD UNIT REFRESH WRITE_AS_ONE RESPONSE_CODES
    EDIT_DISPLAY CHART SOURCE AXIS GRAPH WAVEFORM GRID IMAGE FILE LIST BLOB TEMPLATE PLUGIN COMPONENT
    COMPONENT_FOLDER COMPONENT_REFERENCE COMPONENT_RELATION INTERFACE BLOCK BLOCK_A BLOCK_B VARIABLE_LIST
    PROGRAM DOMAIN CONNECTION MODULE
    """
    )
)

TYPES = frozenset(
    _words(
        """
    BOOLEAN INTEGER UNSIGNED_INTEGER FLOAT DOUBLE ENUMERATED BIT_ENUMERATED INDEX ASCII VISIBLE EUC OCTET
    PASSWORD BITSTRING PACKED_ASCII DATE DATE_AND_TIME TIME DURATION TIME_VALUE
    """
    )
)

# Attributes by the section of the sheet that names them.
ATTRIBUTES = frozenset(
    _words(
        """
    LABEL HELP VALIDITY VISIBILITY PRIVATE ACCESS PURPOSE ROLE ENTRY CLASS CONSTANT_UNIT DEFAULT_VALUE HANDLING
    INITIAL_VALUE TYPE WRITE_MODE STYLE READ_TIMEOUT WRITE_TIMEOUT RESPONSE_CODES PRE_READ_ACTIONS
    POST_READ_ACTIONS PRE_WRITE_ACTIONS POST_WRITE_ACTIONS PRE_EDIT_ACTIONS POST_EDIT_ACTIONS REFRESH_ACTIONS
    POST_RQST_ACTIONS POST_USER_ACTIONS DISPLAY_FORMAT EDIT_FORMAT MIN_VALUE MAX_VALUE SCALING_FACTOR
    TIME_FORMAT TIME_SCALE NUMBER_OF_ELEMENTS ELEMENTS MEMBERS CAPACITY COUNT IDENTITY DEFAULT_VALUES NUMBER
    SLOT SUBSLOT INDEX API BLOCK HEADER MODULE CONNECTION OPERATION TRANSACTION REQUEST REPLY
    POST_RQSTRECEIVE_ACTIONS ITEMS CYCLE_TIME LENGTH HEIGHT WIDTH Y_AXIS LINE_TYPE LINE_COLOR EMPHASIS
    INIT_ACTIONS EXIT_ACTIONS X_AXIS X_INITIAL X_INCREMENT NUMBER_OF_POINTS Y_VALUES X_VALUES KEY_POINTS SCALING
    VECTORS ORIENTATION PATH LINK UUID DEFINITION CLASSIFICATION COMPONENT_PARENT COMPONENT_PATH
    COMPONENT_RELATIONS DECLARATION DETECT SCAN CHECK_CONFIGURATION INITIAL_VALUES PROTOCOL PRODUCT_URI EDD
    CAN_DELETE BYTE_ORDER CONNECTION_POINT SUPPLIED_INTERFACE RELATION_TYPE COMPONENTS ADDRESSING MINIMUM_NUMBER
    MAXIMUM_NUMBER REQUIRED_INTERFACE
    """
    )
)

# Words an attribute may hold, where the sheet lists them all.
VALUES = frozenset(
    _words(
        """
    ALARM ANALOG_CHANNEL ANALOG_INPUT ANALOG_OUTPUT COMPUTATION CONSTANT CONTAINED CORRECTION DEVICE DIAGNOSTIC
    DIGITAL_INPUT DIGITAL_OUTPUT DISCRETE DISCRETE_INPUT DISCRETE_OUTPUT DYNAMIC FREQUENCY FREQUENCY_INPUT
    FREQUENCY_OUTPUT HART INPUT IS_CONFIG LOCAL LOCAL_A LOCAL_B LOCAL_DISPLAY MODE OPERATE OPTIONAL OUTPUT RANGE
    SERVICE SPECIALIST TEMPORARY TUNE USER_INTERFACE INFO WARNING ERROR IGNORE_IN_HOST IGNORE_IN_HANDHELD
    IGNORE_IN_TEMPORARY_MASTER HARDWARE SOFTWARE PROCESS DATA MISC EVENT STATE CORRECTABLE UNCORRECTABLE
    SELF_CORRECTING SUMMARY DETAIL MORE COMM_ERROR READ WRITE ONLINE OFFLINE COMMAND DATA_EXCHANGE SUCCESS
    MISC_WARNING DATA_ENTRY_WARNING DATA_ENTRY_ERROR MODE_ERROR PROCESS_ERROR MISC_ERROR WINDOW DIALOG PAGE
    GROUP MENU TABLE COLUMNBREAK ROWBREAK SEPARATOR READ_ONLY DISPLAY_VALUE REVIEW HIDDEN NO_LABEL NO_UNIT
    INLINE STRIP GAUGE HORIZONTAL_BAR VERTICAL_BAR SCOPE SWEEP XX_SMALL X_SMALL SMALL MEDIUM LARGE X_LARGE
    XX_LARGE LOW_LIMIT LOW_LOW_LIMIT HIGH_LIMIT HIGH_HIGH_LIMIT TRANSPARENT YT XY HORIZONTAL VERTICAL LINEAR
    LOGARITHMIC CHILD_COMPONENT PARENT_COMPONENT NEXT_COMPONENT PREV_COMPONENT SIBLING SECONDS MINUTES HOURS
    PARAM PARAM_LIST CHARACTERISTICS SELF PARENT CHILD FIRST LAST NEXT PREV
    """
    )
)

_CONDITIONS = _words(
    "ALL_COMM_STATUS COMM_ERROR COMM_STATUS ALL_DEVICE_STATUS DEVICE_STATUS ALL_RESPONSE_CODES RESPONSE_CODE NO_DEVICE"
)
_MASKS = [f"{lead}_{word}" for lead in ("ABORT_ON", "RETRY_ON", "IGNORE") for word in _CONDITIONS]
_XMTR = [
    f"XMTR_{lead}_{word}" for lead in ("ABORT_ON", "RETRY_ON", "IGNORE") for word in [*_CONDITIONS, "ALL_DATA", "DATA"]
]
_FIELDBUS = [
    f"{lead}_on_{word}"
    for lead in ("abort", "fail", "retry")
    for word in ("all_comm_errors", "all_response_codes", "comm_error", "response_code")
]
_RESOLVE = [f"resolve_{word}_ref" for word in ("array", "record", "param", "local", "list", "block", "param_list")]
_KINDS = ("float", "double", "signed", "unsigned", "string", "date")

BUILTINS = frozenset(
    _words(
        """
    ACKNOWLEDGE acknowledge get_acknowledgement PUT_MESSAGE put_message display_message DELAY delay DELAY_TIME
    delayfor GET_DEV_VAR_VALUE get_dev_var_value edit_device_value GET_LOCAL_VAR_VALUE get_local_var_value
    edit_local_value SELECT_FROM_LIST select_from_list select_from_menu MenuDisplay display display_dynamics
    abort process_abort method_abort add_abort_method remove_abort_method remove_all_abort_methods
    push_abort_method pop_abort_method igetval fgetval dgetval lgetval sgetval isetval fsetval dsetval lsetval
    ssetval ivar_value fvar_value dvar_value lvar_value svar_value iassign fassign dassign lassign sassign
    vassign int_value assign_int ret_signed_value assign save_values discard_on_exit save_on_exit send_on_exit
    send_all_values send_command send_command_trans send send_trans ext_send_command tsend_command
    ext_send_command_trans ReadCommand WriteCommand read_value send_value get_more_status get_status_code_string
    get_rspcode_string rspcode_string get_enum_string get_status_string get_response_code
    get_response_code_string get_comm_error get_comm_error_string display_comm_error display_response_code
    display_builtin_error SET_NUMBER_OF_RETRIES display_response_status display_xmtr_status BUILD_MESSAGE
    LOG_MESSAGE dictionary_string get_dictionary_string literal_string get_stddict_string strlen strcmp strstr
    strlwr strupr strtrim strmid atof atoi itoa abs acos asin atan cbrt ceil cos cosh exp floor fmod log log10
    log2 pow round sin sinh sqrt tan tanh trunc NaN_value fpclassify nan nanf is_NaN Date_to_Year Date_to_Month
    Date_to_DayOfMonth GetCurrentTime Make_Time To_Time Date_To_Time To_Date Time_To_Date DiffTime AddTime
    ListInsert ListDeleteElementAt get_resolve_status openTransferPort closeTransferPort abortTransferPort
    get_transfer_status readItemFromDevice writeItemToDevice isOffline ITEM_ID MEMBER_ID VARID METHODID DICT_ID
    """
    )
    + _MASKS
    + _XMTR
    + _FIELDBUS
    + _RESOLVE
    + [f"{name}2" for name in _RESOLVE]
    + [f"{verb}_{kind}_value" for verb in ("get", "put") for kind in _KINDS]
)

ANSWERS = frozenset(
    _words(
        """
    BI_SUCCESS BI_ERROR BI_ABORT BI_NO_DEVICE BI_COMM_ERR BI_CONTINUE BI_RETRY BI_PORT_IN_USE BLTIN_SUCCESS
    """
    )
)
