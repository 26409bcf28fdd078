from __future__ import annotations

import pytest

from orionbox.errors import BadInputError
from orionbox.flow_settings import VARIABLES, FlowSettings
from orionbox.trips.months import RELEASE_URL


def test_what_is_not_set_keeps_its_default() -> None:
    assert FlowSettings.from_environment({}) == FlowSettings("orionbox-local", "trips_data_all", RELEASE_URL)


@pytest.mark.parametrize(("field", "variable"), VARIABLES.items())
def test_each_setting_has_its_variable(field: str, variable: str) -> None:
    assert getattr(FlowSettings.from_environment({variable: "other"}), field) == "other"


def test_an_empty_variable_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="GCP_PROJECT is empty; give it a value in .env or leave it out"):
        FlowSettings.from_environment({"GCP_PROJECT": " "})
