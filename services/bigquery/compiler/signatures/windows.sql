-- Window functions; aggregates work as window functions, too, once they are compared as such
row_number() = row_number(){W}
rank() = rank(){W}
dense_rank() = dense_rank(){W}
percent_rank() = percent_rank(){W}
cume_dist() = cume_dist(){W}
ntile(INT64) = ntile(g_positive({0})){W}
lead(?) = lead({0}{N}){W}
lag(?) = lag({0}{N}){W}
lead(?,INT64) = lead({0}, g_not_negative({1}){N}){W}
lag(?,INT64) = lag({0}, g_not_negative({1}){N}){W}
lead(?,INT64,?) = lead({0}, g_not_negative({1}), {2}{N}){W}
lag(?,INT64,?) = lag({0}, g_not_negative({1}), {2}{N}){W}
first_value(?) = nth_value({0}, 1{N}){W}
last_value(?) = last_value({0}{N}){W}
nth_value(?,INT64) = nth_value({0}, g_positive({1}){N}){W}
any_value(?) = nth_value({0}, 1){W}
