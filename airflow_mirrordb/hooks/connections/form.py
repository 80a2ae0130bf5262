"""The connection form of Airflow 2.11 to 3.1, made from the fields that newer versions read by themselves.

It has no sections, lists or drop-downs: every setting is a line of text, an integer, a switch or a secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from airflow_mirrordb.get_provider_info import get_provider_info

#: What Airflow 2 shows in place of a stored secret; sent back, it leaves the secret as it is.
KEPT = "RATHER_LONG_SENSITIVE_FIELD_PLACEHOLDER"

_CONNECTION_TYPE: dict[str, Any] = get_provider_info()["connection-types"][0]


def field_behaviour() -> dict[str, Any]:
    """Return what becomes of the standard fields, and the examples that empty fields show."""
    declared = _CONNECTION_TYPE["ui-field-behaviour"]
    return {name.replace("-", "_"): value for name, value in declared.items()}


def widgets() -> dict[str, Any]:
    """Return one WTForms field per setting, in the order of the form.

    :raises ImportError: if there is neither wtforms nor what Airflow 3 puts in its place
    """
    return {name: _widget(field) for name, field in _CONNECTION_TYPE["conn-fields"].items()}


def _widget(field: dict[str, Any]) -> Any:
    from wtforms import BooleanField, IntegerField, PasswordField, StringField, validators, widgets

    schema = field["schema"]
    label, description = f"{schema['section']}: {field['label']}", field["description"]
    if choices := [choice for choice in schema.get("enum", ()) if choice]:
        description += f" One of: {', '.join(choices)}."
    if schema.get("format") == "password":
        widget = _showing(_kept, widgets.PasswordInput(hide_value=False))
        return PasswordField(label, description=description, widget=widget)
    if "boolean" in schema["type"]:
        return BooleanField(label, description=description)
    widget = _showing(_text, widgets.TextInput())
    if "integer" in schema["type"]:
        return IntegerField(label, [validators.Optional()], description=description, widget=widget)
    return StringField(label, description=description, widget=widget)


def _showing(shown: Callable[[Any], Any], widget: Callable[..., Any]) -> Callable[..., Any]:
    """Return a widget that shows what is made of a field's value, which is what the form sends back."""

    def render(field: Any, **attributes: Any) -> Any:
        field.data = shown(field)
        return widget(field, **{**attributes, "class": "form-control"})  # what Airflow's script looks for

    return render


def _text(field: Any) -> Any:
    """A list or object that the command line stored is shown as JSON; WTForms would write Python."""
    return json.dumps(field.data) if isinstance(field.data, list | dict) else field.data


def _kept(field: Any) -> Any:
    """A stored secret that came back empty would be deleted; what was just typed is shown again."""
    return KEPT if field.data and not field.raw_data else field.data
