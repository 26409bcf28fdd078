"""Which of Google's compliance tests are about the language that BigQuery has."""

from __future__ import annotations

import re
from pathlib import Path

from dev.peers.googlesql.readers import Case

FEATURES = set(
    """ANALYTIC_FUNCTIONS RANGE_TYPE NAMED_ARGUMENTS NUMERIC_TYPE CIVIL_TIME JSON_TYPE BIGNUMERIC_TYPE INTERVAL_TYPE
    HAVING_IN_AGGREGATE GROUP_BY_ARRAY LIKE_ANY_SOME_ALL SAFE_FUNCTION_CALL PIPES ORDER_BY_IN_AGGREGATE GROUPING_SETS
    NULL_HANDLING_MODIFIER_IN_AGGREGATE GROUP_BY_STRUCT LIKE_ANY_SOME_ALL_ARRAY FORMAT_IN_CAST
    JSON_VALUE_EXTRACTION_FUNCTIONS WITH_RECURSIVE IS_DISTINCT LIMIT_IN_AGGREGATE GROUP_BY_ROLLUP
    NULLS_FIRST_LAST_IN_ORDER_BY GROUPING_BUILTIN PARAMETERIZED_TYPES PIVOT UNPIVOT JSON_MUTATOR_FUNCTIONS
    TIME_BUCKET_FUNCTIONS JSON_ARRAY_FUNCTIONS JSON_MORE_VALUE_EXTRACTION_FUNCTIONS
    JSON_ARRAY_VALUE_EXTRACTION_FUNCTIONS ENFORCE_CONDITIONAL_EVALUATION QUALIFY BY_NAME CORRESPONDING
    ADDITIONAL_DATE_TIME_FUNCTIONS JSON_CONSTRUCTOR_FUNCTIONS EXTENDED_DATE_TIME_SIGNATURES DML_UPDATE_WITH_JOIN
    ADDITIONAL_STRING_FUNCTIONS GROUP_BY_ALL NULL_HANDLING_MODIFIER_IN_ANALYTIC JSON_LAX_VALUE_EXTRACTION_FUNCTIONS
    JSON_KEYS_FUNCTION TABLESAMPLE JSON_QUERY_LAX CONCAT_MIXED_TYPES DATE_TIME_CONSTRUCTORS
    ALIASES_FOR_STRING_AND_DATE_FUNCTIONS BARE_ARRAY_ACCESS WEEK_WITH_WEEKDAY SELECT_STAR_EXCEPT_REPLACE
    ROUND_WITH_ROUNDING_MODE PIPE_NAMED_WINDOWS LITERAL_CONCATENATION WITH_ON_SUBQUERY
    TYPE_MODIFIERS_IN_EXPLICIT_CONSTRUCTORS_AND_UDF LIKE_ANY_SOME_ALL_SUBQUERY ALLOW_CONSECUTIVE_ON
    ANY_STRING_TEMPLATED_ARGUMENT V_1_1_ORDERBY_COLLATE TEMPLATE_FUNCTIONS""".split()
)
"""The tests' names of the features that BigQuery's reference shows."""
WORDS = re.compile(
    r"""\b(U?INT32|UINT64|FLOAT|googlesql_test|NEW\s+\w+\.|KitchenSinkPB|ENUM|PROTO\w*|MAP<|UUID|@\w+|@\{|MATCH_RECOGNIZE|GRAPH\w*
    |KLL_QUANTILES|AEAD|KEYS\.|D3A_COUNT|ANON_\w+|DIFFERENTIAL_PRIVACY|TYPEOF|REGEXP_MATCH|GOOGLE\w*|ARRAY_ZIP
    |ARRAY_(FILTER|TRANSFORM|INCLUDES\w*|FIND\w*|OFFSET\w*|SUM|AVG|MAX|MIN)|ZEROIFNULL|NULLIFERROR|ISERROR|IFERROR|CURRENT_\w+|RAND
    |IS_FIRST|IS_LAST|GENERATE_UUID|NEW_UUID|MULTILEVEL|GROUP_ROWS|TUMBLE|HOP|FLATTEN|COSINE_DISTANCE|EUCLIDEAN_DISTANCE
    |APPROX_DOT|CALL|DEFINE|TIMESTAMP_(FROM|TO)_PROTO|FROM_PROTO|TO_PROTO|COMPRESS|SNAPPY|ZSTD|RADIANS|DEGREES|ELEMENTWISE_\w+
    |ASSERT_ROWS_MODIFIED|INSERT\s+OR\s+\w+|THEN\s+RETURN)\b|=\s*(ANY|ALL|SOME)\b|[<>]\s*(ANY|ALL|SOME)\b|->""",
    re.IGNORECASE | re.VERBOSE,
)
"""What a statement has in it that BigQuery's language has not, or whose result depends on the moment."""
FILES = re.compile(
    r"^(graph|proto|anonym|differential|aead|keys|map_|uuid|enum|measures|match_rec|multi_level|kll|hll|tumble|hop"
    r"|dml_update_proto|dml_nested|dml_returning|elementwise|replace_fields|filter_fields|(not_)?equal_a|less_than"
    r"|greater_than|like_a.*subq|nano|pico|ai_|call_sql|invoke|hints|group_rows|apply_lambda|array_find|array_zip"
    r"|array_includes|.*lambda|pipe_(match|call|describe|static|if|recursive)|aggregation_threshold|analytic_hll"
    r"|analytic_kll|analytic_is_first|lateral|compression|new_uuid|generate|chained|limit_all|no_tests|authorization"
    r"|generalized|unnest_multiway|with_recursive_relaxed|json_(lax_)?u?int32|json_(lax_)?uint64"
    r"|json_(lax_)?float(_|\.)|json_comparison|range_constructors|multi_grouping|top_level|default_timezone"
    r"|timestamp_with_default|aggregate_filter|analytic_aggregate_filter|aggregate_percentile|cast_function_to_json"
    r"|collation|orderby_collate|set_operation_(full|inner|left|strict|nested)|array_of_arrays|iferror|iserror"
    r"|nulliferror|pipe_aggregate_with_dp|dml_value_table|value_table)"
)
"""Files that are as a whole about something that BigQuery does not have."""
_SINGLE = (Path(__file__).parent / "outside.txt").read_text(encoding="utf-8").splitlines()
SINGLE_CASES = {line.split()[0] for line in _SINGLE if line}
"""`file::case` of those left out one by one; outside.txt has the reasons."""


def is_outside(file: Path, case: Case) -> bool:
    """Whether BigQuery's language does not have what a case is about."""
    return (
        f"{file.stem}::{case.name}" in SINGLE_CASES
        or "parameters" in case.options
        or "load_proto_names" in case.options
        or bool(case.features - FEATURES)
        or bool(WORDS.search(case.sql))
    )
