/**
 * Functions of pg_catalog that cannot write, run SQL, reach files or other sessions, or read data beyond their arguments
 * (design §5): kept by hand, as names with the OIDs of their overloads. A schema or a volatility is no such list:
 * query_to_xml and table_to_xml run SQL, pg_read_file reads files. Functions that take `internal` cannot be called and are
 * not listed. OIDs below 10,000 keep their meaning from version to version; see `safe-functions.ts` for how a name that
 * differs is treated.
 */

/** Behind built-in operators, and comparison and hash support of built-in types. */
const OPERATORS = `
aclcontains 1037, aclinsert 1035, aclitemeq 1062, aclremove 1036, anytextcat 2004, array_append 378, array_cat 383, array_eq 744,
array_ge 396, array_gt 392, array_le 393, array_lt 391, array_ne 390, array_prepend 379, arraycontained 2749, arraycontains 2748,
arrayoverlap 2747, bitand 1673, bitcat 1679, bitcmp 1596, biteq 1581, bitge 1592, bitgt 1593, bitle 1594, bitlt 1595, bitne 1582,
bitnot 1676, bitor 1674, bitshiftleft 1677, bitshiftright 1678, bitxor 1675, booleq 60, boolge 1692, boolgt 57, boolle 1691, boollt 56,
boolne 84, bound_box 4067, box_above 2565, box_above_eq 115, box_add 1422, box_below 2562, box_below_eq 116, box_center 138,
box_contain 187, box_contain_pt 193, box_contained 192, box_distance 978, box_div 1425, box_eq 128, box_ge 126, box_gt 127,
box_intersect 980, box_le 130, box_left 188, box_lt 129, box_mul 1424, box_overabove 2564, box_overbelow 2563, box_overlap 125,
box_overleft 189, box_overright 190, box_right 191, box_same 186, box_sub 1423, bpchar_pattern_ge 2177, bpchar_pattern_gt 2178,
bpchar_pattern_le 2175, bpchar_pattern_lt 2174, bpcharcmp 1078, bpchareq 1048, bpcharge 1052, bpchargt 1051, bpchariclike 1660,
bpcharicnlike 1661, bpcharicregexeq 1656, bpcharicregexne 1657, bpcharle 1050, bpcharlike 1631, bpcharlt 1049, bpcharne 1053,
bpcharnlike 1632, bpcharregexeq 1658, bpcharregexne 1659, btarraycmp 382, btboolcmp 1693, btbpchar_pattern_cmp 2180, btcharcmp 358,
btequalimage 5051, btfloat48cmp 2194, btfloat4cmp 354, btfloat84cmp 2195, btfloat8cmp 355, btint24cmp 2190, btint28cmp 2192,
btint2cmp 350, btint42cmp 2191, btint48cmp 2188, btint4cmp 351, btint82cmp 2193, btint84cmp 2189, btint8cmp 842, btnamecmp 359,
btnametextcmp 246, btoidcmp 356, btoidvectorcmp 404, btrecordcmp 2987, btrecordimagecmp 3187, bttext_pattern_cmp 2166, bttextcmp 360,
bttextnamecmp 253, bttidcmp 2794, btvarstrequalimage 5050, byteacat 2011, byteacmp 1954, byteaeq 1948, byteage 1952, byteagt 1951,
byteale 1950, bytealike 2005, bytealt 1949, byteane 1953, byteanlike 2006, cash_cmp 377, cash_div_cash 3822, cash_div_flt4 847,
cash_div_flt8 897, cash_div_int2 867, cash_div_int4 865, cash_div_int8 3345, cash_eq 888, cash_ge 893, cash_gt 892, cash_le 891,
cash_lt 890, cash_mi 895, cash_mul_flt4 846, cash_mul_flt8 896, cash_mul_int2 866, cash_mul_int4 864, cash_mul_int8 3344, cash_ne 889,
cash_pl 894, chareq 61, charge 74, chargt 73, charle 72, charlt 1246, charne 70, cideq 69, circle_above 1461, circle_add_pt 1146,
circle_below 1460, circle_center 1472, circle_contain 1453, circle_contain_pt 1477, circle_contained 1458, circle_distance 1471,
circle_div_pt 1149, circle_eq 1462, circle_ge 1467, circle_gt 1465, circle_le 1466, circle_left 1454, circle_lt 1464, circle_mul_pt 1148,
circle_ne 1463, circle_overabove 2588, circle_overbelow 2587, circle_overlap 1459, circle_overleft 1455, circle_overright 1456,
circle_right 1457, circle_same 1452, circle_sub_pt 1147, close_ls 1488, close_lseg 1489, close_pb 367, close_pl 961, close_ps 366,
close_sb 368, date_cmp 1092, date_cmp_timestamp 2344, date_cmp_timestamptz 2357, date_eq 1086, date_eq_timestamp 2340,
date_eq_timestamptz 2353, date_ge 1090, date_ge_timestamp 2342, date_ge_timestamptz 2355, date_gt 1089, date_gt_timestamp 2341,
date_gt_timestamptz 2354, date_le 1088, date_le_timestamp 2339, date_le_timestamptz 2352, date_lt 1087, date_lt_timestamp 2338,
date_lt_timestamptz 2351, date_mi 1140, date_mi_interval 2072, date_mii 1142, date_ne 1091, date_ne_timestamp 2343,
date_ne_timestamptz 2356, date_pl_interval 2071, date_pli 1141, datetime_pl 1272, datetimetz_pl 1297, dcbrt 231, dist_bp 357, dist_bs 381,
dist_cpoint 3290, dist_cpoly 728, dist_lp 702, dist_ls 704, dist_pathp 421, dist_pb 364, dist_pc 1476, dist_pl 725, dist_polyc 785,
dist_polyp 3292, dist_ppath 371, dist_ppoly 3275, dist_ps 363, dist_sb 365, dist_sl 727, dist_sp 380, dpow 232, dsqrt 230,
elem_contained_by_multirange 4252, elem_contained_by_range 3860, enum_cmp 3514, enum_eq 3508, enum_ge 3513, enum_gt 3511, enum_le 3512,
enum_lt 3510, enum_ne 3509, float48div 280, float48eq 299, float48ge 304, float48gt 303, float48le 302, float48lt 301, float48mi 282,
float48mul 279, float48ne 300, float48pl 281, float4abs 207, float4div 203, float4eq 287, float4ge 292, float4gt 291, float4le 290,
float4lt 289, float4mi 205, float4mul 202, float4ne 288, float4pl 204, float4um 206, float4up 1913, float84div 284, float84eq 305,
float84ge 310, float84gt 309, float84le 308, float84lt 307, float84mi 286, float84mul 283, float84ne 306, float84pl 285, float8abs 221,
float8div 217, float8eq 293, float8ge 298, float8gt 297, float8le 296, float8lt 295, float8mi 219, float8mul 216, float8ne 294,
float8pl 218, float8um 220, float8up 1914, flt4_mul_cash 848, flt8_mul_cash 919, gin_cmp_tslexeme 3724, gin_compare_jsonb 3480,
hash_aclitem 329, hash_aclitem_extended 777, hash_array 626, hash_array_extended 782, hash_multirange 4278, hash_multirange_extended 4279,
hash_numeric 432, hash_numeric_extended 780, hash_range 3902, hash_range_extended 3417, hash_record 6192, hash_record_extended 6193,
hashbpchar 1080, hashbpcharextended 972, hashchar 454, hashcharextended 446, hashenum 3515, hashenumextended 3414, hashfloat4 451,
hashfloat4extended 443, hashfloat8 452, hashfloat8extended 444, hashinet 422, hashinetextended 779, hashint2 449, hashint2extended 441,
hashint4 450, hashint4extended 425, hashint8 949, hashint8extended 442, hashmacaddr 399, hashmacaddr8 328, hashmacaddr8extended 781,
hashmacaddrextended 778, hashname 455, hashnameextended 447, hashoid 453, hashoidextended 445, hashoidvector 457,
hashoidvectorextended 776, hashtext 400, hashtextextended 448, hashtid 2233, hashtidextended 2234,
in_range 4126 4127 4128 4129 4130 4131 4132 4133 4134 4135 4136 4137 4138 4139 4140 4141, inet_merge 4063, inet_same_family 4071,
inetand 2628, inetmi 2633, inetmi_int8 2632, inetnot 2627, inetor 2629, inetpl 2630, int24div 172, int24eq 158, int24ge 168, int24gt 162,
int24le 166, int24lt 160, int24mi 182, int24mul 170, int24ne 164, int24pl 178, int28div 948, int28eq 1850, int28ge 1855, int28gt 1853,
int28le 1854, int28lt 1852, int28mi 942, int28mul 943, int28ne 1851, int28pl 841, int2_mul_cash 863, int2abs 1253, int2and 1892,
int2div 153, int2eq 63, int2ge 151, int2gt 146, int2le 148, int2lt 64, int2mi 180, int2mod 155, int2mul 152, int2ne 145, int2not 1895,
int2or 1893, int2pl 176, int2shl 1896, int2shr 1897, int2um 213, int2up 1911, int2xor 1894, int42div 173, int42eq 159, int42ge 169,
int42gt 163, int42le 167, int42lt 161, int42mi 183, int42mul 171, int42ne 165, int42pl 179, int48div 1281, int48eq 852, int48ge 857,
int48gt 855, int48le 856, int48lt 854, int48mi 1279, int48mul 1280, int48ne 853, int48pl 1278, int4_mul_cash 862, int4abs 1251,
int4and 1898, int4div 154, int4eq 65, int4ge 150, int4gt 147, int4le 149, int4lt 66, int4mi 181, int4mod 156, int4mul 141, int4ne 144,
int4not 1901, int4or 1899, int4pl 177, int4shl 1902, int4shr 1903, int4um 212, int4up 1912, int4xor 1900, int82div 840, int82eq 1856,
int82ge 1861, int82gt 1859, int82le 1860, int82lt 1858, int82mi 838, int82mul 839, int82ne 1857, int82pl 837, int84div 1277, int84eq 474,
int84ge 479, int84gt 477, int84le 478, int84lt 476, int84mi 1275, int84mul 1276, int84ne 475, int84pl 1274, int8_mul_cash 3399,
int8abs 1230, int8and 1904, int8div 466, int8eq 467, int8ge 472, int8gt 470, int8le 471, int8lt 469, int8mi 464, int8mod 945, int8mul 465,
int8ne 468, int8not 1907, int8or 1905, int8pl 463, int8pl_inet 2631, int8shl 1908, int8shr 1909, int8um 462, int8up 1910, int8xor 1906,
integer_pl_date 2550, inter_lb 278, inter_sb 373, inter_sl 277, interval_cmp 1315, interval_div 1326, interval_eq 1162, interval_ge 1166,
interval_gt 1167, interval_hash 1697, interval_hash_extended 3418, interval_le 1165, interval_lt 1164, interval_mi 1170,
interval_mul 1618, interval_ne 1163, interval_pl 1169, interval_pl_date 2546, interval_pl_time 1848, interval_pl_timestamp 2548,
interval_pl_timestamptz 2549, interval_pl_timetz 2547, interval_um 1168, isempty 3850, json_array_element 3949,
json_array_element_text 3950, json_extract_path 3951, json_extract_path_text 3953, json_object_field 3947, json_object_field_text 3948,
jsonb_array_element 3215, jsonb_array_element_text 3216, jsonb_cmp 4044, jsonb_concat 3301, jsonb_contained 4050, jsonb_contains 4046,
jsonb_delete 3302 3303 3343, jsonb_delete_path 3304, jsonb_eq 4043, jsonb_exists 4047, jsonb_exists_all 4049, jsonb_exists_any 4048,
jsonb_extract_path 3217, jsonb_extract_path_text 3940, jsonb_ge 4042, jsonb_gt 4040, jsonb_hash 4045, jsonb_hash_extended 3416,
jsonb_le 4041, jsonb_lt 4039, jsonb_ne 4038, jsonb_object_field 3478, jsonb_object_field_text 3214, jsonb_path_exists_opr 4010,
jsonb_path_match_opr 4011, line_distance 239, line_eq 1492, line_horizontal 1499, line_interpt 1494, line_intersect 1495,
line_parallel 1496, line_perp 1497, line_vertical 1498, lseg_center 225, lseg_distance 361, lseg_eq 999, lseg_ge 1486, lseg_gt 1485,
lseg_horizontal 998, lseg_interpt 362, lseg_intersect 994, lseg_le 1484, lseg_length 1487, lseg_lt 1483, lseg_ne 1482, lseg_parallel 995,
lseg_perp 996, lseg_vertical 997, macaddr8_and 4121, macaddr8_cmp 4119, macaddr8_eq 4113, macaddr8_ge 4117, macaddr8_gt 4116,
macaddr8_le 4115, macaddr8_lt 4114, macaddr8_ne 4118, macaddr8_not 4120, macaddr8_or 4122, macaddr_and 3145, macaddr_cmp 836,
macaddr_eq 830, macaddr_ge 834, macaddr_gt 833, macaddr_le 832, macaddr_lt 831, macaddr_ne 835, macaddr_not 3144, macaddr_or 3146,
mul_d_interval 1624, multirange_adjacent_multirange 4256, multirange_adjacent_range 4257, multirange_after_multirange 4263,
multirange_after_range 4262, multirange_before_multirange 4260, multirange_before_range 4259, multirange_cmp 4273,
multirange_contained_by_multirange 4254, multirange_contained_by_range 4542, multirange_contains_elem 4249,
multirange_contains_multirange 4251, multirange_contains_range 4250, multirange_eq 4244, multirange_ge 4276, multirange_gt 4277,
multirange_intersect 4272, multirange_le 4275, multirange_lt 4274, multirange_minus 4271, multirange_ne 4245,
multirange_overlaps_multirange 4248, multirange_overlaps_range 4247, multirange_overleft_multirange 4266, multirange_overleft_range 4265,
multirange_overright_multirange 4269, multirange_overright_range 4268, multirange_union 4270, nameeq 62, nameeqtext 240, namege 658,
namegetext 243, namegt 657, namegttext 244, nameiclike 1635, nameicnlike 1636, nameicregexeq 1240, nameicregexne 1241, namele 656,
nameletext 242, namelike 858, namelt 655, namelttext 241, namene 659, namenetext 245, namenlike 859, nameregexeq 79, nameregexne 1252,
network_cmp 926, network_eq 920, network_ge 924, network_gt 923, network_le 922, network_lt 921, network_ne 925, network_overlap 3551,
network_sub 927, network_subeq 928, network_sup 929, network_supeq 930, numeric_abs 1704, numeric_add 1724, numeric_cmp 1769,
numeric_div 1727, numeric_eq 1718, numeric_ge 1721, numeric_gt 1720, numeric_le 1723, numeric_lt 1722, numeric_mod 1729, numeric_mul 1726,
numeric_ne 1719, numeric_pl_pg_lsn 5023, numeric_power 1739, numeric_sub 1725, numeric_uminus 1771, numeric_uplus 1915, oideq 184,
oidge 1639, oidgt 1638, oidle 717, oidlt 716, oidne 185, oidvectoreq 679, oidvectorge 680, oidvectorgt 681, oidvectorle 678,
oidvectorlt 677, oidvectorne 619, on_pb 136, on_pl 959, on_ppath 137, on_ps 369, on_sb 372, on_sl 960, path_add 1435, path_add_pt 1436,
path_contain_pt 1426, path_distance 370, path_div_pt 1439, path_inter 973, path_length 987, path_mul_pt 1438, path_n_eq 984,
path_n_ge 986, path_n_gt 983, path_n_le 985, path_n_lt 982, path_npoints 1432, path_sub_pt 1437, pg_lsn_cmp 3251, pg_lsn_eq 3233,
pg_lsn_ge 3234, pg_lsn_gt 3235, pg_lsn_hash 3252, pg_lsn_hash_extended 3413, pg_lsn_le 3232, pg_lsn_lt 3231, pg_lsn_mi 3237,
pg_lsn_mii 5024, pg_lsn_ne 3236, pg_lsn_pli 5022, point_above 131, point_add 1441, point_below 134, point_distance 991, point_div 1444,
point_eq 135, point_horiz 990, point_left 132, point_mul 1443, point_ne 988, point_right 133, point_sub 1442, point_vert 989,
poly_above 2569, poly_below 2566, poly_center 227, poly_contain 340, poly_contain_pt 1428, poly_contained 345, poly_distance 729,
poly_left 341, poly_npoints 1445, poly_overabove 2568, poly_overbelow 2567, poly_overlap 346, poly_overleft 342, poly_overright 343,
poly_right 344, poly_same 339, pt_contained_circle 1478, pt_contained_poly 1429, range_adjacent 3862, range_adjacent_multirange 4255,
range_after 3864, range_after_multirange 4261, range_before 3863, range_before_multirange 4258, range_cmp 3870, range_contained_by 3861,
range_contained_by_multirange 4253, range_contains 3859, range_contains_elem 3858, range_contains_multirange 4541, range_eq 3855,
range_ge 3873, range_gt 3874, range_intersect 3868, range_le 3872, range_lt 3871, range_merge 4057, range_minus 3869, range_ne 3856,
range_overlaps 3857, range_overlaps_multirange 4246, range_overleft 3865, range_overleft_multirange 4264, range_overright 3866,
range_overright_multirange 4267, range_union 3867, record_eq 2981, record_ge 2986, record_gt 2984, record_image_eq 3181,
record_image_ge 3186, record_image_gt 3184, record_image_le 3185, record_image_lt 3183, record_image_ne 3182, record_le 2985,
record_lt 2983, record_ne 2982, spg_poly_quad_compress 5011, starts_with 3696, text_ge 743, text_gt 742, text_le 741, text_lt 740,
text_pattern_ge 2163, text_pattern_gt 2164, text_pattern_le 2161, text_pattern_lt 2160, textanycat 2003, textcat 1258, texteq 67,
texteqname 247, textgename 250, textgtname 251, texticlike 1633, texticnlike 1634, texticregexeq 1238, texticregexne 1239, textlename 249,
textlike 850, textltname 248, textne 157, textnename 252, textnlike 851, textregexeq 1254, textregexne 1256, tideq 1292, tidge 2792,
tidgt 2790, tidle 2793, tidlt 2791, tidne 1265, time_cmp 1107, time_eq 1145, time_ge 1105, time_gt 1104, time_hash 1688,
time_hash_extended 3409, time_le 1103, time_lt 1102, time_mi_interval 1748, time_mi_time 1690, time_ne 1106, time_pl_interval 1747,
timedate_pl 1296, timestamp_cmp 2045, timestamp_cmp_date 2370, timestamp_cmp_timestamptz 2526, timestamp_eq 2052, timestamp_eq_date 2366,
timestamp_eq_timestamptz 2522, timestamp_ge 2056, timestamp_ge_date 2368, timestamp_ge_timestamptz 2524, timestamp_gt 2057,
timestamp_gt_date 2367, timestamp_gt_timestamptz 2523, timestamp_hash 2039, timestamp_hash_extended 3411, timestamp_le 2055,
timestamp_le_date 2365, timestamp_le_timestamptz 2521, timestamp_lt 2054, timestamp_lt_date 2364, timestamp_lt_timestamptz 2520,
timestamp_mi 2031, timestamp_mi_interval 2033, timestamp_ne 2053, timestamp_ne_date 2369, timestamp_ne_timestamptz 2525,
timestamp_pl_interval 2032, timestamptz_cmp 1314, timestamptz_cmp_date 2383, timestamptz_cmp_timestamp 2533, timestamptz_eq 1152,
timestamptz_eq_date 2379, timestamptz_eq_timestamp 2529, timestamptz_ge 1156, timestamptz_ge_date 2381, timestamptz_ge_timestamp 2531,
timestamptz_gt 1157, timestamptz_gt_date 2380, timestamptz_gt_timestamp 2530, timestamptz_le 1155, timestamptz_le_date 2378,
timestamptz_le_timestamp 2528, timestamptz_lt 1154, timestamptz_lt_date 2377, timestamptz_lt_timestamp 2527, timestamptz_mi 1188,
timestamptz_mi_interval 1190, timestamptz_ne 1153, timestamptz_ne_date 2382, timestamptz_ne_timestamp 2532, timestamptz_pl_interval 1189,
timetz_cmp 1358, timetz_eq 1352, timetz_ge 1356, timetz_gt 1357, timetz_hash 1696, timetz_hash_extended 3410, timetz_le 1355,
timetz_lt 1354, timetz_mi_interval 1750, timetz_ne 1353, timetz_pl_interval 1749, timetzdate_pl 1298, ts_match_qv 3635, ts_match_tq 3761,
ts_match_tt 3760, ts_match_vq 3634, tsq_mcontained 3692, tsq_mcontains 3691, tsquery_and 3669, tsquery_cmp 3668, tsquery_eq 3664,
tsquery_ge 3666, tsquery_gt 3667, tsquery_le 3663, tsquery_lt 3662, tsquery_ne 3665, tsquery_not 3671, tsquery_or 3670,
tsquery_phrase 5003, tsvector_cmp 3622, tsvector_concat 3625, tsvector_eq 3618, tsvector_ge 3620, tsvector_gt 3621, tsvector_le 3617,
tsvector_lt 3616, tsvector_ne 3619, uuid_cmp 2960, uuid_eq 2956, uuid_ge 2957, uuid_gt 2958, uuid_hash 2963, uuid_hash_extended 3412,
uuid_le 2955, uuid_lt 2954, uuid_ne 2959, varbitcmp 1672, varbiteq 1666, varbitge 1668, varbitgt 1669, varbitle 1670, varbitlt 1671,
varbitne 1667, xid8cmp 5096, xid8eq 5084, xid8ge 5037, xid8gt 5035, xid8le 5036, xid8lt 5034, xid8ne 5085, xideq 68, xideqint4 1319,
xidneq 3308, xidneqint4 3309`;

/** Text and binary form of built-in types. Those that are told a type by its number run that type's own input: domain_in, record_in,
 * array_in, range_in and multirange_in are left out. */
const INPUT_AND_OUTPUT = `
aclitemin 1031, aclitemout 1032, array_out 751, array_send 2401, bit_in 1564, bit_out 1565, bit_send 2457, bittypmodin 2919,
bittypmodout 2920, boolin 1242, boolout 1243, boolsend 2437, box_in 123, box_out 124, box_send 2485, bpcharin 1044, bpcharout 1045,
bpcharsend 2431, bpchartypmodin 2913, bpchartypmodout 2914, byteain 1244, byteaout 31, byteasend 2413, cash_in 886, cash_out 887,
cash_send 2493, charin 1245, charout 33, charsend 2435, cidin 52, cidout 53, cidr_in 1267, cidr_out 1427, cidr_send 2499, cidsend 2443,
circle_in 1450, circle_out 1451, circle_send 2491, cstring_in 2292, cstring_out 2293, cstring_send 2501, date_in 1084, date_out 1085,
date_send 2469, float4in 200, float4out 201, float4send 2425, float8in 214, float8out 215, float8send 2427, inet_in 910, inet_out 911,
inet_send 2497, int2in 38, int2out 39, int2send 2405, int2vectorin 40, int2vectorout 41, int2vectorsend 2411, int4in 42, int4out 43,
int4send 2407, int8in 460, int8out 461, int8send 2409, interval_in 1160, interval_out 1161, interval_send 2479, intervaltypmodin 2903,
intervaltypmodout 2904, json_in 321, json_out 322, json_send 324, jsonb_in 3806, jsonb_out 3804, jsonb_send 3803, jsonpath_in 4001,
jsonpath_out 4003, jsonpath_send 4004, line_in 1490, line_out 1491, line_send 2489, lseg_in 119, lseg_out 120, lseg_send 2481,
macaddr8_in 4110, macaddr8_out 4111, macaddr8_send 3447, macaddr_in 436, macaddr_out 437, macaddr_send 2495, multirange_out 4232,
multirange_send 4234, namein 34, nameout 35, namesend 2423, numeric_in 1701, numeric_out 1702, numeric_send 2461, numerictypmodin 2917,
numerictypmodout 2918, oidin 1798, oidout 1799, oidsend 2419, oidvectorin 54, oidvectorout 55, oidvectorsend 2421, path_in 121,
path_out 122, path_send 2483, pg_lsn_in 3229, pg_lsn_out 3230, pg_lsn_send 3239, pg_node_tree_in 195, pg_node_tree_out 196,
pg_node_tree_send 198, pg_snapshot_in 5055, pg_snapshot_out 5056, pg_snapshot_send 5058, point_in 117, point_out 118, point_send 2429,
poly_in 347, poly_out 348, poly_send 2487, range_out 3835, range_send 3837, record_out 2291, record_send 2403, regclassin 2218,
regclassout 2219, regclasssend 2453, regcollationin 4193, regcollationout 4194, regcollationsend 4197, regconfigin 3736,
regconfigout 3737, regconfigsend 3739, regdictionaryin 3771, regdictionaryout 3772, regdictionarysend 3774, regnamespacein 4084,
regnamespaceout 4085, regnamespacesend 4088, regoperatorin 2216, regoperatorout 2217, regoperatorsend 2451, regoperin 2214,
regoperout 2215, regopersend 2449, regprocedurein 2212, regprocedureout 2213, regproceduresend 2447, regprocin 44, regprocout 45,
regprocsend 2445, regrolein 4098, regroleout 4092, regrolesend 4095, regtypein 2220, regtypeout 2221, regtypesend 2455, textin 46,
textout 47, textsend 2415, tidin 48, tidout 49, tidsend 2439, time_in 1143, time_out 1144, time_send 2471, timestamp_in 1312,
timestamp_out 1313, timestamp_send 2475, timestamptypmodin 2905, timestamptypmodout 2906, timestamptz_in 1150, timestamptz_out 1151,
timestamptz_send 2477, timestamptztypmodin 2907, timestamptztypmodout 2908, timetypmodin 2909, timetypmodout 2910, timetz_in 1350,
timetz_out 1351, timetz_send 2473, timetztypmodin 2911, timetztypmodout 2912, tsqueryin 3612, tsqueryout 3613, tsquerysend 3640,
tsvectorin 3610, tsvectorout 3611, tsvectorsend 3638, txid_snapshot_in 2939, txid_snapshot_out 2940, txid_snapshot_send 2942,
unknownin 109, unknownout 110, unknownsend 2417, uuid_in 2952, uuid_out 2953, uuid_send 2962, varbit_in 1579, varbit_out 1580,
varbit_send 2459, varbittypmodin 2902, varbittypmodout 2921, varcharin 1046, varcharout 1047, varcharsend 2433, varchartypmodin 2915,
varchartypmodout 2916, xid8in 5070, xid8out 5081, xid8send 5083, xidin 50, xidout 51, xidsend 2441, xml_in 2893, xml_out 2894,
xml_send 2899`;

/** Aggregates and window functions. */
const AGGREGATES_AND_WINDOWS = `
any_value 6291, array_agg 2335 4053, avg 2100 2101 2102 2103 2104 2105 2106, bit_and 2236 2238 2240 2242, bit_or 2237 2239 2241 2243,
bit_xor 6164 6165 6166 6167, bool_and 2517, bool_or 2518, corr 2829, count 2147 2803, covar_pop 2827, covar_samp 2828,
cume_dist 3104 3990, dense_rank 3102 3992, every 2519, first_value 3112, json_agg 3175, json_agg_strict 6276, json_object_agg 3197,
json_object_agg_strict 6280, json_object_agg_unique 6281, json_object_agg_unique_strict 6282, jsonb_agg 3267, jsonb_agg_strict 6284,
jsonb_object_agg 3270, jsonb_object_agg_strict 6288, jsonb_object_agg_unique 6289, jsonb_object_agg_unique_strict 6290,
lag 3106 3107 3108, last_value 3113, lead 3109 3110 3111,
max 2050 2115 2116 2117 2118 2119 2120 2122 2123 2124 2125 2126 2127 2128 2129 2130 2244 2797 3526 3564 4189 5099,
min 2051 2131 2132 2133 2134 2135 2136 2138 2139 2140 2141 2142 2143 2144 2145 2146 2245 2798 3527 3565 4190 5100, mode 3984,
nth_value 3114, ntile 3105, percent_rank 3103 3988, percentile_cont 3974 3976 3980 3982, percentile_disc 3972 3978, range_agg 4301 6227,
range_intersect_agg 4389 4450, rank 3101 3986, regr_avgx 2822, regr_avgy 2823, regr_count 2818, regr_intercept 2826, regr_r2 2824,
regr_slope 2825, regr_sxx 2819, regr_sxy 2821, regr_syy 2820, row_number 3100, stddev 2154 2155 2156 2157 2158 2159,
stddev_pop 2724 2725 2726 2727 2728 2729, stddev_samp 2712 2713 2714 2715 2716 2717, string_agg 3538 3545,
sum 2107 2108 2109 2110 2111 2112 2113 2114, var_pop 2718 2719 2720 2721 2722 2723, var_samp 2641 2642 2643 2644 2645 2646,
variance 2148 2149 2150 2151 2152 2153, xmlagg 2901`;

/** Steps of aggregates that can be called by themselves. */
const AGGREGATE_STEPS = `
any_value_transfn 6292, array_larger 515, array_smaller 516, booland_statefunc 2515, boolor_statefunc 2516, bpchar_larger 1063,
bpchar_smaller 1064, cashlarger 898, cashsmaller 899, date_larger 1138, date_smaller 1139, enum_larger 3525, enum_smaller 3524,
float4_accum 208, float4larger 209, float4smaller 211, float8_accum 222, float8_avg 1830, float8_combine 276, float8_corr 2817,
float8_covar_pop 2815, float8_covar_samp 2816, float8_regr_accum 2806, float8_regr_avgx 2810, float8_regr_avgy 2811,
float8_regr_combine 3342, float8_regr_intercept 2814, float8_regr_r2 2812, float8_regr_slope 2813, float8_regr_sxx 2807,
float8_regr_sxy 2809, float8_regr_syy 2808, float8_stddev_pop 2513, float8_stddev_samp 1832, float8_var_pop 2512, float8_var_samp 1831,
float8larger 223, float8smaller 224, int2_avg_accum 1962, int2_avg_accum_inv 3570, int2_sum 1840, int2int4_sum 3572, int2larger 770,
int2smaller 771, int4_avg_accum 1963, int4_avg_accum_inv 3571, int4_avg_combine 3324, int4_sum 1841, int4larger 768, int4smaller 769,
int8_avg 1964, int8_sum 1842, int8dec 3546, int8dec_any 3547, int8inc 1219, int8inc_any 2804, int8inc_float8_float8 2805, int8larger 1236,
int8smaller 1237, interval_larger 1198, interval_smaller 1197, multirange_intersect_agg_transfn 4388, network_larger 3562,
network_smaller 3563, numeric_larger 1767, numeric_smaller 1766, oidlarger 1965, oidsmaller 1966, pg_lsn_larger 4187, pg_lsn_smaller 4188,
range_intersect_agg_transfn 4401, text_larger 458, text_smaller 459, tidlarger 2795, tidsmaller 2796, time_larger 1377, time_smaller 1378,
timestamp_larger 2036, timestamp_smaller 2035, timestamptz_larger 1196, timestamptz_smaller 1195, timetz_larger 1379, timetz_smaller 1380,
xid8_larger 5097, xid8_smaller 5098`;

/** Text, bytes and names. Conversions between encodings run functions that only C code can be. */
const TEXT_AND_BYTES = `
ascii 1620, bit_length 1810 1811 1812, bpchar 408 668 860, btrim 884 885 2015, char 78 944, char_length 1372 1381,
character_length 1367 1369, chr 1621, concat 3058, concat_ws 3059, convert 1813, convert_from 1714, convert_to 1717, decode 1947,
encode 1946, format 3539 3540, get_bit 723 3032, get_byte 721, initcap 872, is_normalized 4351, left 3060,
length 1317 1318 1530 1531 1681 1713 2010 3711, like 1569 1571 2007, like_escape 1637 2009, lower 870 3848 4235, lpad 873 879,
ltrim 875 881 6195, md5 2311 2321, name 407 409 1400, nameconcatoid 266, normalize 4350, notlike 1570 1572 2008,
octet_length 720 1374 1375 1682, overlay 749 752 1404 1405 3030 3031, parse_ident 1268, position 849 1698 2014, quote_ident 1282,
quote_literal 1283 1285, quote_nullable 1289 1290, regexp_count 6254 6255 6256, regexp_instr 6257 6258 6259 6260 6261 6262,
regexp_like 6263 6264, regexp_match 3396 3397, regexp_matches 2763 2764, regexp_replace 2284 2285 6251 6252 6253,
regexp_split_to_table 2765 2766, regexp_substr 6265 6266 6267 6268 6269, repeat 1622, replace 2087, reverse 3062, right 3061,
rpad 874 880, rtrim 876 882 6196, set_bit 724 3033, set_byte 722, sha224 3419, sha256 3420, sha384 3421, sha512 3422, similar_escape 1623,
similar_to_escape 1986 1987, split_part 2088, string_to_table 6160 6161, strpos 868, substr 877 883 2085 2086,
substring 936 937 1680 1699 2012 2013 2073 2074, text 401 406 730 946 2922 2971, textlen 1257, to_ascii 1845 1846 1847, to_bin 6330 6331,
to_char 1768 1770 1772 1773 1774 1775 1776 2049, to_hex 2089 2090, to_number 1777, to_oct 6332 6333, translate 878, trim_scale 5043,
unicode_assigned 6105, unistr 6198, upper 871 3849 4236, varchar 669 1401`;

/** Numbers, bits and conversions between them. */
const NUMBERS_AND_THE_REST = `
abs 1394 1395 1396 1397 1398 1705, acos 1601, acosd 2732, acosh 2466, asin 1600, asind 2731, asinh 2465, atan 1602, atan2 1603,
atan2d 2734, atand 2733, atanh 2467, bit 1683 1685 2075, bit_count 6162 6163, bool 2557 3556, cash_words 935, cbrt 1345, ceil 1711 2308,
ceiling 2167 2320, cidr 1715, cos 1605, cosd 2736, cosh 2463, cot 1607, cotd 2738, degrees 1608, dexp 233, div 1973, dlog1 234,
dlog10 1339, dround 228, dtrunc 229, erf 6219, erfc 6220, exp 1347 1732, factorial 1376, float4 236 312 318 652 1745 3453,
float8 235 311 316 482 1746 2580, floor 1712 2309, gcd 5044 5045 5048, int2 237 238 314 714 1783 3450,
int4 77 313 317 319 480 1684 1744 2558 3451, int4inc 766, int8 481 483 653 754 1288 1779 2076 3452, lcm 5046 5047 5049, ln 1341 1734,
log 1340 1736 1741, log10 1194 1481, min_scale 5042, mod 940 941 947 1728, money 3811 3812 3824, num_nonnulls 440, num_nulls 438,
numeric 1703 1740 1742 1743 1781 1782 3449 3823, numeric_div_trunc 1980, numeric_exp 1733, numeric_inc 1764, numeric_ln 1735,
numeric_log 1737, numeric_sqrt 1731, oid 1287, oidvectortypes 1349, pg_lsn 6103, pi 1610, pow 1346 1738, power 1368 2169, radians 1609,
regclass 1079, round 1342 1707 1708, scale 3281, sign 1706 2310, sin 1604, sind 2735, sinh 2462, sqrt 1344 1730, tan 1606, tand 2737,
tanh 2464, trunc 753 1343 1709 1710 4112, varbit 1687, width_bucket 320 2170 3218, xid 5071`;

/** Dates and times. */
const DATES_AND_TIMES = `
age 1181 1199 1386 2058 2059, date 1178 2029, date_add 6221 6222, date_bin 6177 6178, date_part 1171 1172 1273 1384 1385 2021,
date_subtract 6223 6273, date_trunc 1217 1218 1284 2020, extract 6199 6200 6201 6202 6203 6204, interval 1200 1370,
isfinite 1373 1389 1390 2048, justify_days 1295, justify_hours 1175, justify_interval 2711, make_date 3846, make_interval 3464,
make_time 3847, make_timestamp 3461, make_timestamptz 3462 3463,
overlaps 1271 1304 1305 1306 1307 1308 1309 1310 1311 2041 2042 2043 2044, time 1316 1419 1968 2019 2046, timestamp 1961 2024 2025 2027,
timestamptz 1174 1176 1359 1967 2028, timetz 1388 1969 2047, timezone 1026 1159 2037 2038 2069 2070 6334 6335 6336, to_date 1780,
to_timestamp 1158 1778, uuid_extract_timestamp 6342, uuid_extract_version 6343`;

/** Geometry and network addresses; popen and pclose open and close a path of points. */
const GEOMETRY_AND_NETWORK = `
abbrev 598 599, area 975 979 1468, box 1421 1446 1480 4091, broadcast 698, center 1542 1543, circle 1473 1474 1479, diagonal 981,
diameter 1469, family 711, height 977, host 699, hostmask 1362, isclosed 1430, ishorizontal 1407 1411 1415, isopen 1431,
isparallel 1408 1412, isperp 1409 1413, isvertical 1406 1410 1414, line 1493, lseg 993 1541, macaddr 4124, macaddr8 4123,
macaddr8_set7bit 4125, masklen 697, netmask 696, network 683, npoints 1545 1556, path 1447, pclose 1433, point 1416 1440 1532 1534 1540,
polygon 1448 1449 1475 1544, popen 1434, radius 1470, set_masklen 605 635, slope 992, width 976`;

/** Arrays, series and enums. */
const ARRAYS_AND_ENUMS = `
array_dims 747, array_fill 1193 1286, array_length 2176, array_lower 2091, array_ndims 748, array_position 3277 3278,
array_positions 3279, array_remove 3167, array_replace 3168, array_to_string 384 395, array_upper 2092, cardinality 3179, enum_first 3528,
enum_in 3506, enum_last 3529, enum_out 3507, enum_send 3533, generate_series 938 939 1066 1067 1068 1069 3259 3260 6274,
generate_subscripts 1191 1192, regexp_split_to_array 2767 2768, string_to_array 376 394, trim_array 6172, unnest 1293 2331 3322`;

/** Ranges and multiranges. */
const RANGES = `
datemultirange 4292 4293 4294, daterange 3941 3942, daterange_canonical 3915, daterange_subdiff 3925, enum_range 3530 3531,
int4multirange 4280 4281 4282, int4range 3840 3841, int4range_canonical 3914, int4range_subdiff 3922, int8multirange 4295 4296 4297,
int8range 3945 3946, int8range_canonical 3928, int8range_subdiff 3923, isempty 4237, lower_inc 3851 4238, lower_inf 3853 4240,
multirange 4298, nummultirange 4283 4284 4285, numrange 3844 3845, numrange_subdiff 3924, range_merge 4228, tsmultirange 4286 4287 4288,
tsrange 3933 3934, tsrange_subdiff 3929, tstzmultirange 4289 4290 4291, tstzrange 3937 3938, tstzrange_subdiff 3930, upper_inc 3852 4239,
upper_inf 3854 4241`;

/** JSON. A cast from a type of a user to json runs where one exists: it is listed with the casts of the catalog. */
const JSON = `
array_to_json 3153 3154, json_array_elements 3955, json_array_elements_text 3969, json_array_length 3956, json_build_array 3198 3199,
json_build_object 3200 3201, json_each 3958, json_each_text 3959, json_object 3202 3203, json_object_keys 3957, json_populate_record 3960,
json_populate_recordset 3961, json_strip_nulls 3261, json_to_record 3204, json_to_recordset 3205, json_to_tsvector 4215 4216,
json_typeof 3968, jsonb_array_elements 3219, jsonb_array_elements_text 3465, jsonb_array_length 3207, jsonb_build_array 3271 3272,
jsonb_build_object 3273 3274, jsonb_each 3208, jsonb_each_text 3932, jsonb_insert 3579, jsonb_object 3263 3264, jsonb_object_keys 3931,
jsonb_path_exists 4005, jsonb_path_exists_tz 1177, jsonb_path_match 4009, jsonb_path_match_tz 2030, jsonb_path_query 4006,
jsonb_path_query_array 4007, jsonb_path_query_array_tz 1180, jsonb_path_query_first 4008, jsonb_path_query_first_tz 2023,
jsonb_path_query_tz 1179, jsonb_populate_record 3209, jsonb_populate_record_valid 6338, jsonb_populate_recordset 3475, jsonb_pretty 3306,
jsonb_set 3305, jsonb_set_lax 5054, jsonb_strip_nulls 3262, jsonb_to_record 3490, jsonb_to_recordset 3491, jsonb_to_tsvector 4213 4214,
jsonb_typeof 3210, row_to_json 3155 3156, to_json 3176, to_jsonb 3787`;

/** XML values; external entities are never loaded. The exports (query_to_xml and kin) run SQL and are left out. */
const XML = `
xml 2896, xml_is_well_formed 3051, xml_is_well_formed_content 3053, xml_is_well_formed_document 3052, xmlcomment 2895, xmlconcat2 2900,
xmlexists 2614, xmltext 3813, xmlvalidate 2897, xpath 2931 2932, xpath_exists 3049 3050`;

/** Text search, by parsers and templates that only a superuser can add. ts_stat and ts_rewrite(tsquery, text) run SQL and are left out. */
const TEXT_SEARCH = `
array_to_tsvector 3327, numnode 3672, phraseto_tsquery 5001 5006, plainto_tsquery 3747 3751, querytree 3673, setweight 3320 3624,
strip 3623, to_tsquery 3746 3750, to_tsvector 3745 3749 4209 4210 4211 4212, ts_debug 6183 6184, ts_delete 3321 3323, ts_filter 3319,
ts_headline 3743 3744 3754 3755 4201 4202 4203 4204 4205 4206 4207 4208, ts_lexize 3723, ts_parse 3715 3716, ts_rank 3703 3704 3705 3706,
ts_rank_cd 3707 3708 3709 3710, ts_rewrite 3684, ts_token_type 3713 3714, tsquery_phrase 5004, tsvector_to_array 3326,
websearch_to_tsquery 5007 5009`;

/** What a session may know of itself and its server. */
const SESSION = `
current_database 861, current_schema 1402, current_schemas 1403, current_setting 2077 3294, current_user 745, get_current_ts_config 3759,
getdatabaseencoding 1039, getpgusername 710, icu_unicode_version 6099, inet_client_addr 2196, inet_client_port 2197,
inet_server_addr 2198, inet_server_port 2199, now 1299, pg_backend_pid 2026, pg_client_encoding 810, pg_conf_load_time 2034,
pg_current_snapshot 5061, pg_current_xact_id_if_assigned 5060, pg_is_other_temp_schema 2855, pg_listening_channels 3035,
pg_my_temp_schema 2854, pg_postmaster_start_time 2560, pg_settings_get_flags 6240, pg_show_all_settings 2084, pg_snapshot_xip 5064,
pg_snapshot_xmax 5063, pg_snapshot_xmin 5062, pg_split_walfile_name 6213, pg_timezone_abbrevs 2599, pg_timezone_names 2856,
pg_trigger_depth 3163, pg_typeof 1619, pg_visible_in_snapshot 5065, pg_wal_lsn_diff 3165, pg_walfile_name 2851,
pg_walfile_name_offset 2850, session_user 746, statement_timestamp 2648, system_user 6311, transaction_timestamp 2647,
txid_current_if_assigned 3348, txid_current_snapshot 2944, txid_snapshot_xip 2947, txid_snapshot_xmax 2946, txid_snapshot_xmin 2945,
txid_visible_in_snapshot 2948, unicode_version 4549, version 89`;

/** Definitions, names, privileges and sizes, as psql, drivers and ORMs read them. */
const CATALOG = `
acldefault 3943, aclexplode 1689, col_description 1216, format_type 1081, has_any_column_privilege 3024 3025 3026 3027 3028 3029,
has_column_privilege 3012 3013 3014 3015 3016 3017 3018 3019 3020 3021 3022 3023, has_database_privilege 2250 2251 2252 2253 2254 2255,
has_foreign_data_wrapper_privilege 3000 3001 3002 3003 3004 3005, has_function_privilege 2256 2257 2258 2259 2260 2261,
has_language_privilege 2262 2263 2264 2265 2266 2267, has_parameter_privilege 6205 6206 6207,
has_schema_privilege 2268 2269 2270 2271 2272 2273, has_sequence_privilege 2181 2182 2183 2184 2185 2186,
has_server_privilege 3006 3007 3008 3009 3010 3011, has_table_privilege 1922 1923 1924 1925 1926 1927,
has_tablespace_privilege 2390 2391 2392 2393 2394 2395, has_type_privilege 3138 3139 3140 3141 3142 3143, makeaclitem 1365, mxid_age 3939,
obj_description 1215 1348, pg_available_extension_versions 3083, pg_available_extensions 3082, pg_basetype 6315, pg_char_to_encoding 1264,
pg_collation_for 3162, pg_collation_is_visible 3815, pg_column_compression 2121, pg_column_is_updatable 3843, pg_column_size 1269,
pg_conversion_is_visible 2093, pg_describe_object 3537, pg_encoding_max_length 2319, pg_encoding_to_char 1597,
pg_function_is_visible 2081, pg_get_catalog_foreign_keys 6159, pg_get_constraintdef 1387 2508, pg_get_expr 1716 2509,
pg_get_function_arg_default 3808, pg_get_function_arguments 2162, pg_get_function_identity_arguments 2232, pg_get_function_result 2165,
pg_get_function_sqlbody 6197, pg_get_functiondef 2098, pg_get_indexdef 1643 2507, pg_get_keywords 1686, pg_get_object_address 3954,
pg_get_partition_constraintdef 3408, pg_get_partkeydef 3352, pg_get_publication_tables 6119, pg_get_replica_identity_index 6120,
pg_get_ruledef 1573 2504, pg_get_serial_sequence 1665, pg_get_statisticsobjdef 3415, pg_get_statisticsobjdef_columns 6174,
pg_get_statisticsobjdef_expressions 6173, pg_get_triggerdef 1662 2730, pg_get_userbyid 1642, pg_get_viewdef 1640 1641 2505 2506 3159,
pg_has_role 2705 2706 2707 2708 2709 2710, pg_identify_object 3839, pg_identify_object_as_address 3382, pg_index_column_has_property 638,
pg_index_has_property 637, pg_indexam_has_property 636, pg_indexam_progress_phasename 676, pg_opclass_is_visible 2083,
pg_operator_is_visible 2082, pg_opfamily_is_visible 3829, pg_options_to_table 2289, pg_partition_root 3424,
pg_relation_is_publishable 6121, pg_relation_is_updatable 3842, pg_sequence_parameters 3078, pg_size_bytes 3334, pg_size_pretty 2288 3166,
pg_statistics_obj_is_visible 3403, pg_table_is_visible 2079, pg_tablespace_location 3778, pg_ts_config_is_visible 3758,
pg_ts_dict_is_visible 3757, pg_ts_parser_is_visible 3756, pg_ts_template_is_visible 3768, pg_type_is_visible 2080,
row_security_active 3298 3299, shobj_description 1993, to_regclass 3495, to_regcollation 4195, to_regnamespace 4086, to_regoper 3492,
to_regoperator 3476, to_regproc 3494, to_regprocedure 3479, to_regrole 4093, to_regtype 3493, to_regtypemod 6317`;

/** Counters. Left out: what shows statements (pg_stat_get_activity, pg_stat_get_backend_activity) or connection strings. */
const STATISTICS = `
pg_stat_get_analyze_count 3056, pg_stat_get_archiver 3195, pg_stat_get_autoanalyze_count 3057, pg_stat_get_autovacuum_count 3055,
pg_stat_get_backend_activity_start 2094, pg_stat_get_backend_client_addr 1392, pg_stat_get_backend_client_port 1393,
pg_stat_get_backend_dbid 1938, pg_stat_get_backend_idset 1936, pg_stat_get_backend_pid 1937, pg_stat_get_backend_start 1391,
pg_stat_get_backend_subxact 6107, pg_stat_get_backend_userid 1939, pg_stat_get_backend_wait_event 2853,
pg_stat_get_backend_wait_event_type 2788, pg_stat_get_backend_xact_start 2857, pg_stat_get_bgwriter_buf_written_clean 2772,
pg_stat_get_bgwriter_maxwritten_clean 2773, pg_stat_get_bgwriter_stat_reset_time 3075, pg_stat_get_blocks_fetched 1934,
pg_stat_get_blocks_hit 1935, pg_stat_get_buf_alloc 2859, pg_stat_get_checkpointer_buffers_written 2771,
pg_stat_get_checkpointer_num_requested 2770, pg_stat_get_checkpointer_num_timed 2769,
pg_stat_get_checkpointer_restartpoints_performed 6329, pg_stat_get_checkpointer_restartpoints_requested 6328,
pg_stat_get_checkpointer_restartpoints_timed 6327, pg_stat_get_checkpointer_stat_reset_time 6314, pg_stat_get_checkpointer_sync_time 3161,
pg_stat_get_checkpointer_write_time 3160, pg_stat_get_db_active_time 6186, pg_stat_get_db_blk_read_time 2844,
pg_stat_get_db_blk_write_time 2845, pg_stat_get_db_blocks_fetched 1944, pg_stat_get_db_blocks_hit 1945,
pg_stat_get_db_checksum_failures 3426, pg_stat_get_db_checksum_last_failure 3428, pg_stat_get_db_conflict_all 3070,
pg_stat_get_db_conflict_bufferpin 3068, pg_stat_get_db_conflict_lock 3066, pg_stat_get_db_conflict_logicalslot 6309,
pg_stat_get_db_conflict_snapshot 3067, pg_stat_get_db_conflict_startup_deadlock 3069, pg_stat_get_db_conflict_tablespace 3065,
pg_stat_get_db_deadlocks 3152, pg_stat_get_db_idle_in_transaction_time 6187, pg_stat_get_db_numbackends 1941,
pg_stat_get_db_session_time 6185, pg_stat_get_db_sessions 6188, pg_stat_get_db_sessions_abandoned 6189,
pg_stat_get_db_sessions_fatal 6190, pg_stat_get_db_sessions_killed 6191, pg_stat_get_db_stat_reset_time 3074,
pg_stat_get_db_temp_bytes 3151, pg_stat_get_db_temp_files 3150, pg_stat_get_db_tuples_deleted 2762, pg_stat_get_db_tuples_fetched 2759,
pg_stat_get_db_tuples_inserted 2760, pg_stat_get_db_tuples_returned 2758, pg_stat_get_db_tuples_updated 2761,
pg_stat_get_db_xact_commit 1942, pg_stat_get_db_xact_rollback 1943, pg_stat_get_dead_tuples 2879, pg_stat_get_function_calls 2978,
pg_stat_get_function_self_time 2980, pg_stat_get_function_total_time 2979, pg_stat_get_ins_since_vacuum 5053,
pg_stat_get_last_analyze_time 2783, pg_stat_get_last_autoanalyze_time 2784, pg_stat_get_last_autovacuum_time 2782,
pg_stat_get_last_vacuum_time 2781, pg_stat_get_lastscan 6310, pg_stat_get_live_tuples 2878, pg_stat_get_mod_since_analyze 3177,
pg_stat_get_numscans 1928, pg_stat_get_progress_info 3318, pg_stat_get_replication_slot 6169, pg_stat_get_slru 2306,
pg_stat_get_snapshot_timestamp 3788, pg_stat_get_subscription_stats 6231, pg_stat_get_tuples_deleted 1933,
pg_stat_get_tuples_fetched 1930, pg_stat_get_tuples_hot_updated 1972, pg_stat_get_tuples_inserted 1931,
pg_stat_get_tuples_newpage_updated 6217, pg_stat_get_tuples_returned 1929, pg_stat_get_tuples_updated 1932, pg_stat_get_vacuum_count 3054,
pg_stat_get_wal 1136`;

/** Volatile, and read one by one: they see the clock, chance, sizes, locks, counters or a sequence value of the session's own.
 * setseed changes nothing but what random() answers in the session. */
const REVIEWED_VOLATILE = `
array_sample 6216, array_shuffle 6215, clock_timestamp 2649, current_query 817, currval 1575, gen_random_uuid 3432, lastval 2559,
pg_collation_actual_version 3448, pg_current_wal_flush_lsn 3330, pg_current_wal_insert_lsn 2852, pg_current_wal_lsn 2849,
pg_database_collation_actual_version 6249, pg_database_size 2168 2324, pg_indexes_size 2998, pg_is_in_recovery 3810,
pg_is_wal_replay_paused 3073, pg_jit_available 315, pg_last_wal_receive_lsn 3820, pg_last_wal_replay_lsn 3821,
pg_last_xact_replay_timestamp 3830, pg_lock_status 1371, pg_partition_ancestors 3425, pg_partition_tree 3423, pg_relation_size 2325 2332,
pg_stat_get_io 6214, pg_stat_get_xact_blocks_fetched 3044, pg_stat_get_xact_blocks_hit 3045, pg_stat_get_xact_function_calls 3046,
pg_stat_get_xact_function_self_time 3048, pg_stat_get_xact_function_total_time 3047, pg_stat_get_xact_numscans 3037,
pg_stat_get_xact_tuples_deleted 3042, pg_stat_get_xact_tuples_fetched 3039, pg_stat_get_xact_tuples_hot_updated 3043,
pg_stat_get_xact_tuples_inserted 3040, pg_stat_get_xact_tuples_newpage_updated 6218, pg_stat_get_xact_tuples_returned 3038,
pg_stat_get_xact_tuples_updated 3041, pg_table_size 2997, pg_tablespace_size 2322 2323, pg_total_relation_size 2286,
random 1598 6339 6340 6341, random_normal 6212, setseed 1599, timeofday 274`;

/** TABLESAMPLE methods. */
const TABLE_SAMPLING = `
bernoulli 3313, system 3314`;

/** Every group; see `safe-functions.ts`. */
export const SAFE_FUNCTION_GROUPS: readonly string[] = [
  OPERATORS,
  INPUT_AND_OUTPUT,
  AGGREGATES_AND_WINDOWS,
  AGGREGATE_STEPS,
  TEXT_AND_BYTES,
  NUMBERS_AND_THE_REST,
  DATES_AND_TIMES,
  GEOMETRY_AND_NETWORK,
  ARRAYS_AND_ENUMS,
  RANGES,
  JSON,
  XML,
  TEXT_SEARCH,
  SESSION,
  CATALOG,
  STATISTICS,
  TABLE_SAMPLING,
  REVIEWED_VOLATILE,
];

/** The only functions of the list that are volatile. */
export const REVIEWED_VOLATILE_FUNCTIONS: string = REVIEWED_VOLATILE;
