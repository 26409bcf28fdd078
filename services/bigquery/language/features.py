"""What BigQuery's dialect has of GoogleSQL, feature by feature.

Each name is one of the module's `LanguageFeature`s, without `FEATURE_`; behind it stands the page of
https://cloud.google.com/bigquery/docs/reference/standard-sql/ that shows it. What no page shows is off, so that the
module refuses what BigQuery refuses: unsigned and 32-bit types, lambdas, graphs, protocol buffers.
"""

from __future__ import annotations

from typing import Any

from services.bigquery.language import package

FEATURES = """
ANALYTIC_FUNCTIONS                              window-function-calls
TABLESAMPLE                                     query-syntax#tablesample_operator
DML_UPDATE_WITH_JOIN                            dml-syntax#update_using_joins
TABLE_VALUED_FUNCTIONS                          table-functions
CREATE_AGGREGATE_FUNCTION                       user-defined-aggregates
CREATE_TABLE_FUNCTION                           data-definition-language#create_table_function_statement
TEMPLATE_FUNCTIONS                              user-defined-functions#templated-sql-udf-parameters
CREATE_TABLE_PARTITION_BY                       data-definition-language#create_table_statement
CREATE_TABLE_CLUSTER_BY                         data-definition-language#create_table_statement
CREATE_TABLE_NOT_NULL                           data-definition-language#column_schema
CREATE_TABLE_FIELD_ANNOTATIONS                  data-definition-language#column_schema
CREATE_TABLE_AS_SELECT_COLUMN_LIST              data-definition-language#create_table_statement
CREATE_TABLE_LIKE                               data-definition-language#create_table_like
CREATE_TABLE_COPY                               data-definition-language#create_table_copy
CREATE_TABLE_CLONE                              data-definition-language#create_table_clone
CREATE_SNAPSHOT_TABLE                           data-definition-language#create_snapshot_table
CREATE_VIEW_WITH_COLUMN_LIST                    data-definition-language#create_view_statement
CREATE_VIEWS_WITH_COLUMN_OPTIONS                data-definition-language#create_view_statement
CREATE_MATERIALIZED_VIEW_PARTITION_BY           data-definition-language#create_materialized_view_statement
CREATE_MATERIALIZED_VIEW_CLUSTER_BY             data-definition-language#create_materialized_view_statement
CREATE_MATERIALIZED_VIEW_AS_REPLICA_OF          data-definition-language#create_materialized_view_as_replica_of
CREATE_EXTERNAL_TABLE_WITH_TABLE_ELEMENT_LIST   data-definition-language#create_external_table_statement
CREATE_EXTERNAL_TABLE_WITH_PARTITION_COLUMNS    data-definition-language#create_external_table_statement
CREATE_EXTERNAL_TABLE_WITH_CONNECTION           data-definition-language#create_external_table_statement
CREATE_TABLE_WITH_CONNECTION                    data-definition-language#create_table_statement
CREATE_FUNCTION_LANGUAGE_WITH_CONNECTION        data-definition-language#create_function_statement
ALTER_COLUMN_SET_DATA_TYPE                      data-definition-language#alter_column_set_data_type_statement
ALTER_TABLE_RENAME_COLUMN                       data-definition-language#alter_table_rename_column_statement
ALTER_VIEWS_ALTER_COLUMN_SET_OPTIONS            data-definition-language#alter_view_alter_column_set_options_statement
ALLOW_MISSING_PATH_EXPRESSION_IN_ALTER_DDL      data-definition-language#alter_bi_capacity_set_options_statement
UNENFORCED_PRIMARY_KEYS                         data-definition-language#create_table_statement
FOREIGN_KEYS                                    data-definition-language#create_table_statement
COLUMN_DEFAULT_VALUE                            data-definition-language#column_schema
LOAD_DATA_PARTITIONS                            other-statements#load_data_statement
LOAD_DATA_TEMP_TABLE                            other-statements#load_data_statement
REMOTE_FUNCTION                                 remote-functions
NON_SQL_PROCEDURE                               data-definition-language#create_procedure
PARAMETERS_IN_GRANTEE_LIST                      data-control-language
NUMERIC_TYPE                                    data-types#decimal_types
BIGNUMERIC_TYPE                                 data-types#decimal_types
DECIMAL_ALIAS                                   data-types#decimal_types
JSON_TYPE                                       data-types#json_type
INTERVAL_TYPE                                   data-types#interval_type
ENFORCE_MICROS_MODE_IN_INTERVAL_TYPE            data-types#interval_type
RANGE_TYPE                                      data-types#range_type
GEOGRAPHY                                       data-types#geography_type
CIVIL_TIME                                      data-types#datetime_type
PARAMETERIZED_TYPES                             data-types#parameterized_data_types
DISABLE_FLOAT32                                 data-types#floating_point_types
EXTENDED_GEOGRAPHY_PARSERS                      geography_functions
JSON_ARRAY_FUNCTIONS                            json_functions#json_query_array
JSON_VALUE_EXTRACTION_FUNCTIONS                 json_functions#int64_for_json
JSON_MORE_VALUE_EXTRACTION_FUNCTIONS            json_functions
JSON_ARRAY_VALUE_EXTRACTION_FUNCTIONS           json_functions
JSON_LAX_VALUE_EXTRACTION_FUNCTIONS             json_functions#lax_int64
JSON_CONSTRUCTOR_FUNCTIONS                      json_functions#json_object
JSON_MUTATOR_FUNCTIONS                          json_functions#json_set
JSON_KEYS_FUNCTION                              json_functions#json_keys
JSON_QUERY_LAX                                  json_functions#JSONPath_mode
JSON_FLATTEN_FUNCTION                           json_functions#json_flatten
ENABLE_CONSTANT_EXPRESSION_IN_JSON_PATH         json_functions#JSONPath_format
ROUND_WITH_ROUNDING_MODE                        mathematical_functions#round
CBRT_FUNCTIONS                                  mathematical_functions#cbrt
INVERSE_TRIG_FUNCTIONS                          mathematical_functions#csc
TIME_BUCKET_FUNCTIONS                           time-series-functions#date_bucket
ADDITIONAL_STRING_FUNCTIONS                     string_functions#instr
ALIASES_FOR_STRING_AND_DATE_FUNCTIONS           string_functions
ADDITIONAL_DATE_TIME_FUNCTIONS                  date_functions
ALLOW_REGEXP_EXTRACT_OPTIONALS                  string_functions#regexp_extract
DATE_TIME_CONSTRUCTORS                          timestamp_functions#timestamp
DATE_ARITHMETICS                                operators#date_arithmetics_operators
EXTENDED_DATE_TIME_SIGNATURES                   datetime_functions#datetime_diff
WEEK_WITH_WEEKDAY                               date_functions#extract
CONCAT_MIXED_TYPES                              string_functions#concat
FORMAT_IN_CAST                                  format-elements
ENABLE_FLOAT_DISTANCE_FUNCTIONS                 mathematical_functions#cosine_distance
ENABLE_EDIT_DISTANCE_BYTES                      string_functions#edit_distance
KLL_FLOAT64_PRIMARY_WITH_DOUBLE_ALIAS           kll_functions
KLL_WEIGHTS                                     kll_functions#kll_quantilesinit_int64
TYPEOF_FUNCTION                                 utility-functions#typeof
ENCRYPTION                                      aead_encryption_functions
NAMED_ARGUMENTS                                 functions-reference
FUNCTION_ARGUMENTS_WITH_DEFAULTS                functions-reference
SAFE_FUNCTION_CALL                              functions-reference#safe_prefix
CHAINED_FUNCTION_CALLS                          functions-reference#chained_function_calls
PIPES                                           pipe-syntax
PIPE_ASSERT                                     pipe-syntax#assert_pipe_operator
PIPE_NAMED_WINDOWS                              pipe-syntax#window_pipe_operator
PIPE_WITH                                       pipe-syntax#with_pipe_operator
WITH_ON_SUBQUERY                                query-syntax#with_clause
WITH_RECURSIVE                                  query-syntax#recursive_keyword
SELECT_STAR_EXCEPT_REPLACE                      query-syntax#select_except
ORDER_BY_COLLATE                                query-syntax#order_by_clause
NULLS_FIRST_LAST_IN_ORDER_BY                    query-syntax#order_by_clause
FOR_SYSTEM_TIME_AS_OF                           query-syntax#for_system_time_as_of
QUALIFY                                         query-syntax#qualify_clause
PIVOT                                           query-syntax#pivot_operator
UNPIVOT                                         query-syntax#unpivot_operator
GROUP_BY_ROLLUP                                 query-syntax#group_by_rollup
GROUPING_SETS                                   query-syntax#group_by_grouping_sets
GROUPING_BUILTIN                                aggregate_functions#grouping
GROUP_BY_ALL                                    query-syntax#group_by_all
GROUP_BY_STRUCT                                 query-syntax#group_by_grouping_item
GROUP_BY_ARRAY                                  query-syntax#group_by_grouping_item
BY_NAME                                         query-syntax#by_name_or_corresponding
CORRESPONDING                                   query-syntax#by_name_or_corresponding
CORRESPONDING_FULL                              query-syntax#by_name_or_corresponding
ALLOW_CONSECUTIVE_ON                            query-syntax#join_types
UNNEST_AND_FLATTEN_ARRAYS                       query-syntax#unnest_operator
SINGLETON_UNNEST_INFERS_ALIAS                   query-syntax#unnest_operator
ALLOW_DASHES_IN_TABLE_NAME                      lexical#table_names
LITERAL_CONCATENATION                           lexical#string_and_bytes_literals
MATCH_RECOGNIZE                                 query-syntax#match_recognize_clause
IS_DISTINCT                                     operators#is_distinct
LIKE_ANY_SOME_ALL                               operators#like_operator_quantified
LIKE_ANY_SOME_ALL_ARRAY                         operators#like_operator_quantified
LIKE_ANY_SOME_ALL_SUBQUERY                      operators#like_operator_quantified
BARE_ARRAY_ACCESS                               operators#array_subscript_operator
ARRAY_EQUALITY                                  operators#comparison_operators
WITH_EXPRESSION                                 functions-and-operators#with_expression
COLLATION_SUPPORT                               collation-concepts
ANNOTATION_FRAMEWORK                            collation-concepts
COLLATION_IN_EXPLICIT_CAST                      collation-concepts
ORDER_BY_IN_AGGREGATE                           aggregate-function-calls
LIMIT_IN_AGGREGATE                              aggregate-function-calls
HAVING_IN_AGGREGATE                             aggregate-function-calls
NULL_HANDLING_MODIFIER_IN_AGGREGATE             aggregate-function-calls
NULL_HANDLING_MODIFIER_IN_ANALYTIC              navigation_functions
CAST_DIFFERENT_ARRAY_TYPES                      conversion_functions#cast_as_array
ENFORCE_CONDITIONAL_EVALUATION                  conditional_expressions
OMIT_INSERT_COLUMN_LIST                         dml-syntax#insert_statement
ANONYMIZATION                                   differential-privacy
DIFFERENTIAL_PRIVACY                            differential-privacy
FOR_IN                                          procedural-language#for-in
CASE_STMT                                       procedural-language#case
REPEAT                                          procedural-language#repeat
SCRIPT_LABEL                                    procedural-language#labels
DISABLE_ARRAY_MIN_AND_MAX                       aggregate_functions#max
DISABLE_ARRAY_SUM_AND_AVG                       aggregate_functions#sum
TO_JSON_UNSUPPORTED_FIELDS                      json_functions#to_json
REPORT_FORMAT_CONSTANT_ARGUMENT                 string_functions#format_string
"""
"""One a line: the feature, and the page that shows it."""
REWRITES = """FLATTEN UNPIVOT PIVOT TYPEOF_FUNCTION INLINE_SQL_FUNCTIONS INLINE_SQL_TVFS NULLIFERROR_FUNCTION
LIKE_ANY_ALL BUILTIN_FUNCTION_INLINER INLINE_SQL_VIEWS INLINE_SQL_UDAS GROUPING_SET
MULTIWAY_UNNEST PIPE_ASSERT PIPE_IF WITH_EXPR"""
"""What the module brings down to simpler trees, so that the compiler needs no rule for it."""
RESERVED = ("QUALIFY",)
PSEUDO_COLUMNS = {"_PARTITIONTIME": "TIMESTAMP", "_PARTITIONDATE": "DATE"}
"""Columns that a definition may name although no table has them: those of partitioning by the time of loading."""


def enabled() -> list[int]:
    """The numbers of the features."""
    names = [line.split()[0] for line in FEATURES.strip().splitlines()]
    return [package.option.LanguageFeature.Value(f"FEATURE_{name}") for name in names]


def language_options() -> Any:
    """BigQuery's language, as the module's message; statements of every kind are analyzed."""
    options = package.options.LanguageOptionsProto()
    options.product_mode = package.option.PRODUCT_EXTERNAL
    options.name_resolution_mode = package.option.NAME_RESOLUTION_DEFAULT
    options.enabled_language_features.extend(sorted(enabled()))
    options.supported_statement_kinds.extend(
        number for name, number in package.node_kinds.ResolvedNodeKind.items() if name.endswith("_STMT")
    )
    options.reserved_keywords.extend(RESERVED)
    return options


def analyzer_options() -> Any:
    """How statements are analyzed: BigQuery's language, columns pruned, UTC."""
    options = package.options.AnalyzerOptionsProto(
        error_message_mode=package.option.ERROR_MESSAGE_ONE_LINE, prune_unused_columns=True, default_timezone="UTC"
    )
    options.language_options.CopyFrom(language_options())
    for name, kind in PSEUDO_COLUMNS.items():
        options.ddl_pseudo_columns.add(name=name).type.type_kind = package.types.TypeKind.Value(f"TYPE_{kind}")
    rewrite = package.option.ResolvedASTRewrite
    options.enabled_rewrites.extend(sorted(rewrite.Value(f"REWRITE_{name}") for name in REWRITES.split()))
    return options
