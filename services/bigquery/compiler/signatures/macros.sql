-- DuckDB macros that the templates use. An error is a CAST that fails: TRY() catches it, and services/bigquery/errors.py reads it
g_err(sentence) AS CAST('E!' || sentence AS BIGINT)
g_short(x) AS regexp_replace(CAST(x AS VARCHAR), '\.0$', '')
g_error(sentence) AS g_err(COALESCE(sentence, 'NULL'))
g_numeric(x) AS CASE WHEN abs(x) > 99999999999999999999999999999.999999999 THEN CAST(g_err('numeric overflow') AS DECIMAL(38,9)) ELSE CAST(x AS DECIMAL(38,9)) END
g_sum(s, finite) AS CASE WHEN finite AND NOT isfinite(s) THEN CAST(g_err('double overflow') AS DOUBLE) ELSE s END
g_avg(s, n) AS CASE WHEN n > 0 THEN CAST(s AS DOUBLE) / n END
g_avg_floats(finite, rest, n) AS CASE WHEN n > 0 THEN COALESCE(rest, finite) END
g_stat(v, finite, n, least_n) AS CASE WHEN n < least_n THEN NULL WHEN NOT finite THEN 'nan'::DOUBLE ELSE v END
g_of_pair(a, b) AS CASE WHEN isfinite(a - a + b - b) THEN a END
g_only(what, holds, v) AS CASE WHEN NOT holds THEN CAST(g_err('Orionbox does not support ' || what || ' yet') AS DOUBLE) ELSE v END
g_finite(r, a, b, op) AS CASE WHEN NOT isfinite(r) AND isfinite(a) AND isfinite(b) THEN CAST(g_err('Floating point overflow: ' || g_short(a) || ' ' || op || ' ' || g_short(b)) AS DOUBLE) ELSE r END
g_divide(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN CAST(g_err('division by zero: ' || g_short(a) || ' / ' || g_short(b)) AS DOUBLE) ELSE g_finite(a / b, a, b, '/') END
g_safe_divide(a, b) AS CASE WHEN b = 0 THEN NULL WHEN NOT isfinite(a / b) AND isfinite(a) AND isfinite(b) THEN NULL ELSE a / b END
g_ieee(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN isnan(a) OR isnan(b) THEN a + b WHEN b = 0 THEN CASE WHEN a = 0 THEN 'nan'::DOUBLE WHEN signbit(a) = signbit(b) THEN 'inf'::DOUBLE ELSE '-inf'::DOUBLE END ELSE a / b END
g_div(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN g_err('division by zero: ' || CAST(a AS VARCHAR) || ' / 0') WHEN b = -1 THEN -a ELSE (a - a % b) // b END
g_mod(a, b) AS CASE WHEN b = 0 AND a IS NOT NULL THEN g_err('division by zero: MOD(' || CAST(a AS VARCHAR) || ', 0)') WHEN b = -1 AND a IS NOT NULL THEN 0 ELSE a % b END
g_sqrt(x) AS CASE WHEN x < 0 THEN CAST(g_err('Argument to SQRT cannot be negative: ' || CAST(x AS VARCHAR)) AS DOUBLE) ELSE sqrt(x) END
g_ln(x) AS CASE WHEN x = CAST('-inf' AS DOUBLE) THEN 'nan'::DOUBLE WHEN x <= 0 THEN CAST(g_err('Argument to LN must be positive: ' || CAST(x AS VARCHAR)) AS DOUBLE) ELSE ln(x) END
g_feq(a, b) AS CASE WHEN (isnan(a) AND b IS NOT NULL) OR (isnan(b) AND a IS NOT NULL) THEN false ELSE a = b END
g_fne(a, b) AS CASE WHEN (isnan(a) AND b IS NOT NULL) OR (isnan(b) AND a IS NOT NULL) THEN true ELSE a <> b END
g_flt(a, b) AS CASE WHEN (isnan(a) AND b IS NOT NULL) OR (isnan(b) AND a IS NOT NULL) THEN false ELSE a < b END
g_fle(a, b) AS CASE WHEN (isnan(a) AND b IS NOT NULL) OR (isnan(b) AND a IS NOT NULL) THEN false ELSE a <= b END
g_tri(l) AS CASE WHEN list_contains(l, false) THEN false WHEN len(l) <> list_count(l) THEN NULL ELSE true END
g_unless_null(nulls, v) AS CASE WHEN list_contains(nulls, true) THEN NULL ELSE v END
g_number(x) AS CASE WHEN NOT isnan(x) THEN x END
g_in(x, l) AS CASE WHEN l IS NULL OR len(l) = 0 THEN false WHEN list_contains(l, x) THEN true WHEN x IS NULL OR len(l) <> list_count(l) THEN NULL ELSE false END
g_in_floats(x, l) AS CASE WHEN l IS NULL OR len(l) = 0 THEN false WHEN x IS NULL THEN NULL WHEN NOT isnan(x) AND list_contains(l, x) THEN true WHEN len(l) <> list_count(l) THEN NULL ELSE false END
g_float_key(x) AS CASE WHEN x = 0 THEN '0' ELSE CAST(x AS VARCHAR) END
g_int64(x) AS CASE WHEN x BETWEEN CAST('-9223372036854775808' AS HUGEINT) AND CAST('9223372036854775807' AS HUGEINT) THEN CAST(x AS BIGINT) END
g_at(a, o) AS CASE WHEN a IS NULL OR o IS NULL THEN NULL WHEN o < 0 OR o >= len(a) THEN a[g_err('Array index ' || CAST(o AS VARCHAR) || ' is out of bounds')] ELSE a[o + 1] END
g_too_many(a, b, s) AS (CAST(b AS HUGEINT) - a) // nullif(s, 0) >= 1048575
g_series(a, b, s) AS CASE WHEN a IS NULL OR b IS NULL OR s IS NULL THEN NULL WHEN s = 0 THEN [g_err('Sequence step cannot be 0.')] WHEN g_too_many(a, b, s) THEN [g_err('GENERATE_ARRAY(' || a || ', ' || b || ', ' || s || ') produced too many elements')] WHEN (s > 0 AND a > b) OR (s < 0 AND a < b) THEN CAST([] AS BIGINT[]) ELSE generate_series(a, b, s) END
g_step(n, unit) AS CASE WHEN n IS NOT NULL THEN CAST(least(greatest(CAST(n AS HUGEINT) * unit, -9000000000000000000), 9000000000000000000) AS BIGINT) END
g_days(a, b, s) AS list_transform(g_series(CAST(a - DATE '1970-01-01' AS BIGINT), CAST(b - DATE '1970-01-01' AS BIGINT), s), lambda n: DATE '1970-01-01' + CAST(n AS INTEGER))
g_moments(a, b, s) AS list_transform(g_series(epoch_us(a), epoch_us(b), s), lambda n: make_timestamptz(n))
g_positive(n) AS CASE WHEN n IS NULL OR n < 1 THEN g_err('The argument must be positive') ELSE n END
g_not_negative(n) AS CASE WHEN n IS NULL OR n < 0 THEN g_err('The argument must be neither NULL nor negative') ELSE n END
g_like(s, p) AS CASE WHEN regexp_matches(p, '(^|[^\\])(\\\\)*\\$') AND s IS NOT NULL THEN g_err('LIKE pattern ends with a backslash which is not escaped: ' || p) = 0 ELSE s LIKE p ESCAPE '\' END
g_replace(s, f, t) AS CASE WHEN f = '' AND t IS NOT NULL THEN s ELSE replace(s, f, t) END
g_substr(s, p) AS CASE WHEN s IS NULL OR p IS NULL THEN NULL WHEN p < -4294967295 OR p > 4294967295 THEN CASE WHEN p < 0 THEN s ELSE '' END WHEN p = 0 THEN s WHEN p < 0 AND -p > length(s) THEN s ELSE substr(s, p) END
g_substr3(s, p, n) AS CASE WHEN n IS NULL THEN NULL WHEN n < 0 AND s IS NOT NULL AND p IS NOT NULL THEN CAST(g_err('Third argument in SUBSTR() cannot be negative') AS VARCHAR) ELSE substr(g_substr(s, p), 1, CAST(least(n, 4294967295) AS BIGINT)) END
g_left(s, n) AS CASE WHEN n IS NULL THEN NULL WHEN n < 0 AND s IS NOT NULL THEN CAST(g_err('Second argument in LEFT() cannot be negative') AS VARCHAR) ELSE left(s, CAST(least(n, 2147483647) AS BIGINT)) END
g_right(s, n) AS CASE WHEN n IS NULL THEN NULL WHEN n < 0 AND s IS NOT NULL THEN CAST(g_err('Second argument in RIGHT() cannot be negative') AS VARCHAR) ELSE right(s, CAST(least(n, 2147483647) AS BIGINT)) END
g_repeat(s, n) AS CASE WHEN n < 0 AND s IS NOT NULL THEN CAST(g_err('Second argument in REPEAT() cannot be negative') AS VARCHAR) WHEN CAST(n AS HUGEINT) * strlen(s) > 1000000 THEN CAST(g_err('Output of REPEAT exceeds max allowed output size of 1MB') AS VARCHAR) ELSE repeat(s, n) END
g_trim(s, c, v) AS CASE WHEN s IS NULL OR c IS NULL THEN NULL WHEN c = '' THEN s ELSE v END
g_code(s, only_ascii) AS CASE WHEN s = '' THEN 0 WHEN only_ascii AND unicode(s) > 127 THEN g_err('Non-ASCII characters are not allowed') ELSE CAST(unicode(s) AS BIGINT) END
g_numeric_text(x) AS CASE WHEN x IS NOT NULL THEN regexp_replace(CAST(x AS VARCHAR), '\.?0+$', '') END
g_bool(s) AS CASE WHEN lower(s) = 'true' THEN true WHEN lower(s) = 'false' THEN false WHEN s IS NOT NULL THEN CAST(g_err('Bad bool value: ' || s) AS BOOLEAN) END
g_parse_date(s) AS CASE WHEN s IS NULL THEN NULL WHEN regexp_full_match(s, '[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}') AND TRY_CAST(s AS DATE) >= DATE '0001-01-01' THEN CAST(s AS DATE) ELSE g_no_date('Invalid date: ''' || s || '''') END
g_no_date(sentence) AS CAST(CAST(g_err(sentence) AS VARCHAR) AS DATE)
g_date(d) AS CASE WHEN d < DATE '0001-01-01' OR d > DATE '9999-12-31' THEN g_no_date('Date is out of range') ELSE d END
g_make_date(y, m, d) AS CASE WHEN y < 1 OR y > 9999 THEN CASE WHEN m IS NOT NULL AND d IS NOT NULL THEN g_no_date('Input calculates to invalid date: ' || y || '-' || m || '-' || d) END ELSE make_date(y, m, d) END
g_add_days(d, n) AS CASE WHEN d IS NULL OR n IS NULL THEN NULL WHEN abs(CAST(n AS HUGEINT)) > 3700000 THEN g_no_date('Adding days to a date overflows') ELSE g_date(d + CAST(n AS INTEGER)) END
g_add_months(d, n) AS CASE WHEN d IS NULL OR n IS NULL THEN NULL WHEN abs(CAST(n AS HUGEINT)) > 120000 THEN g_no_date('Adding months to a date overflows') ELSE g_date(CAST(d + to_months(CAST(n AS INTEGER)) AS DATE)) END
g_floor(x, unit) AS (x // unit - CASE WHEN x % unit < 0 THEN 1 ELSE 0 END)
g_timestamp(us) AS CASE WHEN us < -62135596800000000 OR us > 253402300799999999 THEN make_timestamptz(g_err('Timestamp is out of range')) ELSE make_timestamptz(us) END
g_add_micros(t, n, unit) AS CASE WHEN t IS NOT NULL AND n IS NOT NULL THEN g_timestamp(epoch_us(t) + n * unit) END
g_fraction(us) AS CASE WHEN us % 1000000 = 0 THEN '' WHEN us % 1000 = 0 THEN '.' || lpad(CAST((us % 1000000) // 1000 AS VARCHAR), 3, '0') ELSE '.' || lpad(CAST(us % 1000000 AS VARCHAR), 6, '0') END
g_date_text(d) AS lpad(CAST(date_part('year', d) AS VARCHAR), 4, '0') || strftime(d, '-%m-%d')
g_datetime_text(d) AS g_date_text(d) || strftime(d, ' %H:%M:%S') || g_fraction(date_part('microsecond', d))
g_time_text(t) AS left(CAST(t AS VARCHAR), 8) || g_fraction(date_part('microsecond', t))
g_civil(s) AS CASE WHEN regexp_full_match(s, '[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?') AND s >= '0001' THEN TRY_CAST(s AS TIMESTAMP) END
g_without_utc(s) AS CASE WHEN ends_with(s, ' UTC') THEN left(s, length(s) - 4) ELSE s END
g_unix_date(d) AS CAST(d - DATE '1970-01-01' AS BIGINT)
g_how_many(n) AS CASE WHEN n IS NULL THEN g_err('The number of elements must not be NULL') WHEN n < 1 THEN g_err('The number of elements must be positive') WHEN n > 100000 THEN g_err('The number of elements cannot be greater than 100000') ELSE n END
g_quantiles(a, n) AS CASE WHEN len(a) > 0 THEN list_transform(range(0, g_how_many(n) + 1), lambda i: a[greatest((i * len(a) + n - 1) // n, 1)]) END
g_counts(e) AS list_transform(e, lambda p: row(-CAST(p.value AS BIGINT), p.key))
g_top(e, n) AS CASE WHEN e IS NOT NULL THEN list_transform(list_sort(e)[1:g_how_many(n)], lambda p: {'f0': p[2], 'f1': -p[1]}) END
g_top_count(e, nulls, n) AS g_top(CASE WHEN nulls > 0 THEN list_append(COALESCE(g_counts(e), []), row(-nulls, CASE WHEN false THEN e[1].key END)) ELSE g_counts(e) END, n)
g_places(l) AS list_sort(list_transform(l, lambda v, i: row(v, i)))
g_first_places(s) AS list_filter(list_zip(s, list_prepend(NULL, s), true), lambda p: p[2] IS NULL OR p[1][1] IS DISTINCT FROM p[2][1])
g_distinct(l) AS CASE WHEN l IS NOT NULL THEN list_transform(list_sort(list_transform(g_first_places(g_places(l)), lambda p: row(p[1][2], p[1][1]))), lambda p: p[2]) END
g_weights(l, x) AS list_sum(list_transform(list_filter(l, lambda p: p[1] IS NOT DISTINCT FROM x), lambda p: p[2]))
g_sums(l) AS CASE WHEN len(list_filter(l, lambda p: p[2] < 0 OR CAST(p[2] AS DOUBLE) = CAST('nan' AS DOUBLE))) > 0 THEN [row(g_err('The weight must be neither negative nor NaN'), l[1][1])] ELSE list_transform(list_distinct(list_transform(l, lambda p: row(p[1]))), lambda x: row(-g_weights(l, x[1]), x[1])) END
g_checked_sums(e, is_bad) AS CASE WHEN is_bad THEN [row(g_err('The weight must be neither negative nor NaN'), e[1][2])] ELSE e END
