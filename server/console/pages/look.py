"""How the pages look and what runs in the browser. Calm greys; colour only for what is abnormal (ISA-101)."""

from __future__ import annotations

from importlib.resources import files

PRIORITY_MARKS = {1: "■ 1", 2: "▲ 2", 3: "● 3"}
"""Shape and number beside the colour: priorities can be told apart without seeing colours."""

CSS = files(__package__).joinpath("overview.css").read_text(encoding="utf-8")

SCRIPT = "<script>" + files(__package__).joinpath("overview.js").read_text(encoding="utf-8") + "</script>"

FLEET_HEADER = """
<q-tr :props="props"><q-th v-for="col in props.cols" :key="col.name" :props="props">
{{ col.label }} <small v-if="col.unit">{{ col.unit }}</small></q-th></q-tr>
"""

FLEET_ROW = """
<q-tr :props="props" tabindex="0" :data-device="props.row.id" :class="{'fl-chosen': props.row.chosen}"
  @click="$parent.$emit('pick', props.row.id)" @keydown.enter="$parent.$emit('pick', props.row.id)">
<q-td v-for="col in props.cols" :key="col.name" :props="props">
<span :class="props.row.classes[col.name]">{{ props.row[col.field] }}</span></q-td></q-tr>
"""

VALUE_ROW = """
<q-tr :props="props" :tabindex="props.row.draws ? 0 : -1" :data-parameter="props.row.id"
  :class="{'fl-chosen': props.row.chosen, 'fl-plain': !props.row.draws}"
  @click="props.row.draws && $parent.$emit('draw', props.row.id)"
  @keydown.enter="props.row.draws && $parent.$emit('draw', props.row.id)">
<q-td v-for="col in props.cols" :key="col.name" :props="props">
<span :class="col.name === 'value' ? props.row.classes : ''">{{ props.row[col.field] }}</span></q-td></q-tr>
"""

ALARM_ROW = """
<div class="fl-alarm" :class="{'fl-unacked': !props.row.acked}" :data-alarm="props.row.id">
<span class="fl-mark" :class="props.row.look">{{ props.row.mark }}</span>
<span class="fl-text" @click="$parent.$emit('show', props.row)">{{ props.row.message }}<br>
<small>{{ new Date(props.row.time).toLocaleTimeString() }} · {{ props.row.name }} · {{ props.row.state }}</small></span>
<button v-if="!props.row.acked" class="fl-ack" type="button" @click="$parent.$emit('ack', props.row)">
{{ props.row.button }}</button>
<small v-else>✓</small></div>
"""


def sign_in_form(user: str, password: str, button: str) -> str:
    """A form that the browser itself sends, so that the password never passes through the page's own socket."""
    return (
        '<form class="fl-form" onsubmit="fieldloom.signIn(event)">'
        f'<label>{user}<input name="user" autocomplete="username" required maxlength="128" autofocus></label>'
        f'<label>{password}<input name="password" type="password" autocomplete="current-password" required></label>'
        f'<div class="fl-error" role="alert"></div><button type="submit">{button}</button></form>'
    )


def upload_form(label: str, button: str) -> str:
    """A form that sends a package through the same route as every other program."""
    return (
        '<form class="fl-form" onsubmit="fieldloom.upload(event)">'
        f'<label>{label}<input name="file" type="file" accept=".fdix" required></label>'
        f'<div class="fl-error" role="alert"></div><button type="submit">{button}</button></form>'
    )
