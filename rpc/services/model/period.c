#include "rpc/services/model/period.h"

#include <stdio.h>
#include <string.h>

#define DAY_S 86400

int32_t period_today(const struct zone *zone, int64_t now_ms)
{
    int64_t now_s = now_ms / 1000 - (now_ms % 1000 < 0);
    int64_t local_s = now_s + zone_offset_s(zone, now_s);
    return (int32_t)(local_s / DAY_S - (local_s % DAY_S < 0));
}

struct period period_full_days(int32_t today, int32_t days)
{
    return (struct period){today - days, today - 1};
}

/* After Howard Hinnant's days_from_civil: years begin in March, eras have 400 of them. */
int32_t period_day_from_date(int32_t year, int32_t month, int32_t day)
{
    year -= month <= 2;
    int32_t era = (year >= 0 ? year : year - 399) / 400;
    int32_t year_of_era = year - era * 400;
    int32_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void period_date_from_day(int32_t day_number, int32_t *ret_year, int32_t *ret_month,
                          int32_t *ret_day)
{
    int32_t shifted = day_number + 719468;
    int32_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int32_t day_of_era = shifted - era * 146097;
    int32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int32_t month_from_march = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    *ret_month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

void period_format_day(int32_t day_number, char text[static PERIOD_DATE_BYTES])
{
    int32_t year;
    int32_t month;
    int32_t day;
    period_date_from_day(day_number, &year, &month, &day);
    /* The moduli only tell the compiler that it fits. */
    (void)snprintf(text, PERIOD_DATE_BYTES, "%04u-%02u-%02u", (unsigned)year % 10000,
                   (unsigned)month % 100, (unsigned)day % 100);
}

bool period_parse_day(const char *text, int32_t *ret_day_number)
{
    int32_t parts[3] = {0};
    if (strnlen(text, PERIOD_DATE_BYTES) != PERIOD_DATE_BYTES - 1)
        return false;
    for (size_t i = 0, part = 0; i < PERIOD_DATE_BYTES - 1; i++) {
        if (i == 4 || i == 7) {
            if (text[i] != '-')
                return false;
            part++;
        } else if (text[i] < '0' || text[i] > '9') {
            return false;
        } else {
            parts[part] = parts[part] * 10 + (text[i] - '0');
        }
    }
    if (parts[1] < 1 || parts[1] > 12 || parts[2] < 1 || parts[2] > 31)
        return false;
    /* A 30 February comes back as another date. */
    int32_t year;
    int32_t month;
    int32_t day;
    int32_t number = period_day_from_date(parts[0], parts[1], parts[2]);
    period_date_from_day(number, &year, &month, &day);
    if (month != parts[1] || day != parts[2])
        return false;
    *ret_day_number = number;
    return true;
}
