-- Aggregates that Google's evaluator lacks: tests/conformance/bigquery has the documentation's examples; here they are exact
approx_quantiles(ORDERED,INT64) = g_quantiles(list({D}{0} ORDER BY {0} NULLS FIRST){W}, {1})
approx_quantiles(DOUBLE,INT64) = g_quantiles(list({D}{0} ORDER BY (-{0}) DESC NULLS FIRST){W}, {1})
approx_top_count(ORDERED|DOUBLE,INT64) = g_top_count(map_entries(histogram({0}){W}), count(CASE WHEN {0} IS NULL THEN 1 END){W}, {1})
approx_top_sum(ORDERED|DOUBLE,INT64|NUMERIC|DOUBLE,INT64) = g_top(g_sums(list(row({0}, {1})){W}), {2})
