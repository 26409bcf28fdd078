from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orionbox.errors import BadInputError
from orionbox.flow_settings import VARIABLES, FlowSettings
from orionbox.trips.months import RELEASE_URL
from tests.unit.fuzz import fuzz


def test_an_unset_variable_keeps_its_default() -> None:
    assert FlowSettings.from_environment({}) == FlowSettings("orionbox-local", "trips_data_all", RELEASE_URL)


@pytest.mark.parametrize(("field", "variable"), VARIABLES.items())
def test_each_setting_has_its_variable(field: str, variable: str) -> None:
    assert getattr(FlowSettings.from_environment({variable: "other"}), field) == "other"


def test_an_empty_variable_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="GCP_PROJECT is empty; give it a value in .env or leave it out"):
        FlowSettings.from_environment({"GCP_PROJECT": " "})


@fuzz
@given(st.dictionaries(st.sampled_from(sorted(VARIABLES.values())), st.text(max_size=10)))
def test_any_flow_settings_are_taken_or_refused_by_name(environment: dict[str, str]) -> None:
    try:
        assert FlowSettings.from_environment(environment)
    except BadInputError as error:
        assert any(name in str(error) for name in environment)
