/*
 * Days and periods. A day is a number: days since 1970-01-01 in some time zone. Pure.
 */
#ifndef RPC_SERVICES_MODEL_PERIOD_H
#define RPC_SERVICES_MODEL_PERIOD_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/services/model/zone.h"

/* YYYY-MM-DD with its NUL. */
#define PERIOD_DATE_BYTES 11
/* The days of `30d`. */
#define PERIOD_MONTH_DAYS 30

struct period {
    int32_t first_day; /* both inclusive */
    int32_t last_day;
};

/* Which day is today in the zone (NULL: UTC) at `now_ms`. */
int32_t period_today(const struct zone *zone, int64_t now_ms);
/* The `days` full days before today: on 6 February, 30 of them begin on 7 January. */
struct period period_full_days(int32_t today, int32_t days);

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. */
int32_t period_day_from_date(int32_t year, int32_t month, int32_t day);
void period_date_from_day(int32_t day_number, int32_t *ret_year, int32_t *ret_month,
                          int32_t *ret_day);
/* Prints YYYY-MM-DD, for years 0 to 9999. */
void period_format_day(int32_t day_number, char text[static PERIOD_DATE_BYTES]);
/* Parses exactly YYYY-MM-DD; false if it is no date. */
bool period_parse_day(const char *text, int32_t *ret_day_number);

#endif
