//! Functions that read and change nothing but their arguments.
//!
//! What runs SQL from text, reads files or catalogues, waits, locks, or tells about the session is not here: the session is
//! another tenant's a moment later.

use std::collections::HashSet;

use super::policy::SqlDialect;

const COMMON: &str = "
    abs avg ceil ceiling coalesce concat count cume_dist current_date current_time current_timestamp dense_rank exp
    first_value floor group_concat json_array json_array_length json_object lag last_value lead length ln log lower ltrim
    max min mod nth_value ntile nullif percent_rank power pow radians random rank replace round row_number rtrim sign sqrt
    string_agg substr substring sum trim upper
    acos asin atan atan2 cos degrees pi sin tan";

const SQLITE: &str = "
    char concat_ws date datetime format glob hex ifnull iif instr json json_each json_extract json_group_array
    json_group_object json_insert json_patch json_quote json_remove json_replace json_set json_tree json_type json_valid
    julianday like likelihood likely nullif octet_length printf quote randomblob strftime strftime sum time timediff total
    trunc typeof unhex unicode unixepoch unlikely zeroblob";

const POSTGRES: &str = "
    age any_value array_agg array_append array_cat array_length array_position array_prepend array_remove array_replace
    array_to_json array_to_string array_upper array_lower ascii bit_and bit_or bool_and bool_or btrim cardinality cbrt
    char_length character_length chr clock_timestamp concat_ws corr covar_pop covar_samp date_bin date_part date_trunc
    decode div encode every extract format gen_random_uuid generate_series generate_subscripts greatest initcap isfinite
    json_agg json_array_elements json_array_elements_text json_build_array json_build_object json_each json_each_text
    json_extract_path json_extract_path_text json_object_agg json_object_keys json_strip_nulls json_typeof
    jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
    jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object_agg jsonb_object_keys
    jsonb_path_exists jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set
    jsonb_strip_nulls jsonb_typeof justify_days justify_hours justify_interval least left localtime localtimestamp lpad
    make_date make_interval make_time make_timestamp make_timestamptz md5 mode now num_nonnulls num_nulls octet_length
    overlay percentile_cont percentile_disc phraseto_tsquery plainto_tsquery position quote_ident quote_literal
    quote_nullable range_agg regexp_count regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array
    regexp_split_to_table regexp_substr regr_slope repeat reverse right row_to_json rpad scale sha224 sha256 sha384
    sha512 split_part starts_with statement_timestamp stddev stddev_pop stddev_samp string_to_array string_to_table strpos
    time timestamp timezone to_char to_date to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector
    transaction_timestamp translate trim_array trunc ts_headline ts_rank ts_rank_cd unnest var_pop var_samp variance
    websearch_to_tsquery width_bucket xmlagg";

const MYSQL: &str = "
    adddate addtime any_value ascii bin bit_and bit_count bit_length bit_or bit_xor cast char char_length character_length
    coalesce concat_ws conv convert convert_tz cot crc32 curdate current_time curtime date date_add date_format date_sub
    datediff day dayname dayofmonth dayofweek dayofyear elt export_set field find_in_set format from_base64 from_days
    from_unixtime greatest hex hour if ifnull inet_aton inet_ntoa insert instr isnull json_arrayagg json_array_append
    json_array_insert json_contains json_contains_path json_depth json_extract json_insert json_keys json_length
    json_merge_patch json_merge_preserve json_objectagg json_overlaps json_quote json_remove json_replace json_search
    json_set json_table json_type json_unquote json_valid json_value last_day lcase least left localtime localtimestamp
    locate log10 log2 lpad make_set makedate maketime md5 microsecond mid minute month monthname now oct octet_length ord
    period_add period_diff position quarter quote rand regexp_instr regexp_like regexp_replace regexp_substr repeat reverse
    right rpad sec_to_time second sha sha1 sha2 soundex space std stddev stddev_pop stddev_samp str_to_date strcmp subdate
    substring_index subtime sysdate time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_base64
    to_days to_seconds truncate ucase unhex unix_timestamp utc_date utc_time utc_timestamp uuid values var_pop var_samp
    variance week weekday weekofyear weight_string year yearweek";

pub(super) fn pure(dialect: SqlDialect) -> HashSet<String> {
    let own = match dialect {
        SqlDialect::Sqlite => SQLITE,
        SqlDialect::Postgres => POSTGRES,
        SqlDialect::MySql => MYSQL,
    };
    COMMON.split_whitespace().chain(own.split_whitespace()).map(str::to_owned).collect()
}
