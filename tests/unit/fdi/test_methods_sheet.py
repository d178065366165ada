"""Every builtin that eddl.md section 6 names is there."""

from __future__ import annotations

from server.fdi.methods.builtins.all import BUILTINS
from server.fdi.methods.calls import PSEUDO

NAMES = """
ACKNOWLEDGE acknowledge get_acknowledgement PUT_MESSAGE put_message display_message DELAY delay DELAY_TIME delayfor
GET_DEV_VAR_VALUE get_dev_var_value edit_device_value GET_LOCAL_VAR_VALUE get_local_var_value edit_local_value
SELECT_FROM_LIST select_from_list select_from_menu MenuDisplay display display_dynamics abort process_abort
method_abort add_abort_method remove_abort_method remove_all_abort_methods push_abort_method pop_abort_method
igetval fgetval dgetval lgetval sgetval isetval fsetval dsetval lsetval ssetval
ivar_value fvar_value dvar_value lvar_value svar_value iassign fassign dassign lassign sassign vassign int_value
assign_int ret_signed_value ret_unsigned_value ret_float_value ret_double_value ret_string_value
get_float_value get_double_value get_signed_value get_unsigned_value get_string_value get_date_value
put_float_value put_double_value put_signed_value put_unsigned_value put_string_value put_date_value assign
save_values discard_on_exit save_on_exit send_on_exit send_all_values send_command send_command_trans send
send_trans ext_send_command tsend_command ext_send_command_trans ReadCommand WriteCommand read_value send_value
get_more_status get_status_code_string get_rspcode_string rspcode_string get_enum_string get_status_string
get_response_code get_response_code_string get_comm_error get_comm_error_string display_comm_error
display_response_code display_builtin_error SET_NUMBER_OF_RETRIES display_response_status display_xmtr_status
BUILD_MESSAGE LOG_MESSAGE dictionary_string get_dictionary_string literal_string get_stddict_string
strlen strcmp strstr strlwr strupr strtrim strmid atof atoi itoa
abs acos asin atan cbrt ceil cos cosh exp floor fmod log log10 log2 pow round sin sinh sqrt tan tanh trunc
NaN_value fpclassify nan nanf is_NaN Date_to_Year Date_to_Month Date_to_DayOfMonth GetCurrentTime Make_Time To_Time
Date_To_Time To_Date Time_To_Date DiffTime AddTime ListInsert ListDeleteElementAt
resolve_array_ref resolve_record_ref resolve_param_ref resolve_local_ref resolve_list_ref resolve_block_ref
resolve_param_list_ref get_resolve_status resolve_array_ref2 resolve_record_ref2 resolve_param_ref2
openTransferPort closeTransferPort abortTransferPort get_transfer_status readItemFromDevice writeItemToDevice
isOffline ITEM_ID MEMBER_ID VARID METHODID DICT_ID
"""
ABOUT = """
ALL_COMM_STATUS COMM_ERROR COMM_STATUS ALL_DEVICE_STATUS DEVICE_STATUS ALL_RESPONSE_CODES RESPONSE_CODE NO_DEVICE
"""
SHEET = {
    *NAMES.split(),
    *(f"{word}_{about}" for word in ("ABORT_ON", "RETRY_ON", "IGNORE") for about in ABOUT.split()),
    *(
        f"XMTR_{word}_{about}"
        for word in ("ABORT_ON", "RETRY_ON", "IGNORE")
        for about in (*ABOUT.split(), "ALL_DATA", "DATA")
    ),
    *(
        f"{word}_{about}"
        for word in ("abort_on", "fail_on", "retry_on")
        for about in ("all_comm_errors", "all_response_codes", "comm_error", "response_code")
    ),
}


def test_every_builtin_of_the_sheet_is_known() -> None:
    assert not SHEET - set(BUILTINS) - PSEUDO


def test_builtins_say_their_family_and_how_many_arguments_they_take() -> None:
    assert BUILTINS["delayfor"].family == "dialogs"
    assert (BUILTINS["delayfor"].least, BUILTINS["delayfor"].most) == (2, 5)
    assert all(0 <= found.least <= found.most for found in BUILTINS.values())
