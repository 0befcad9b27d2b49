#include "rpc/services/model/zone_rule.h"

#include "rpc/services/model/period.h"

#define HOUR_S 3600
#define DAY_S 86400

struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

static bool take(struct reader *reader, uint8_t byte)
{
    if (reader->at == reader->end || *reader->at != byte)
        return false;
    reader->at++;
    return true;
}

/* Digits that make a number up to `max`. */
static bool take_number(struct reader *reader, int32_t max, int32_t *ret_number)
{
    int32_t number = 0;
    const uint8_t *start = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9' && number <= max)
        number = number * 10 + (*reader->at++ - '0');
    if (reader->at == start || number > max)
        return false;
    *ret_number = number;
    return true;
}

/* CET, or <+0330>. */
static bool take_name(struct reader *reader)
{
    bool quoted = take(reader, '<');
    const uint8_t *start = reader->at;
    while (reader->at < reader->end) {
        uint8_t c = *reader->at;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool sign = (c >= '0' && c <= '9') || c == '+' || c == '-';
        if (!letter && !(quoted && sign))
            break;
        reader->at++;
    }
    bool long_enough = reader->at - start >= 3;
    return long_enough && (!quoted || take(reader, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct reader *reader, int32_t hours_max, int32_t *ret_time_s)
{
    bool negative = take(reader, '-');
    if (!negative)
        (void)take(reader, '+');
    int32_t hours;
    int32_t minutes = 0;
    int32_t seconds = 0;
    if (!take_number(reader, hours_max, &hours))
        return false;
    if (take(reader, ':')) {
        if (!take_number(reader, 59, &minutes))
            return false;
        if (take(reader, ':') && !take_number(reader, 59, &seconds))
            return false;
    }
    int32_t time_s = hours * HOUR_S + minutes * 60 + seconds;
    *ret_time_s = negative ? -time_s : time_s;
    return true;
}

static bool take_date(struct reader *reader, struct zone_rule_date *date)
{
    bool good;
    date->time_s = 2 * HOUR_S;
    if (take(reader, 'M')) {
        date->kind = ZONE_DATE_MONTH_WEEK;
        good = take_number(reader, 12, &date->month) && date->month >= 1 && take(reader, '.') &&
               take_number(reader, 5, &date->week) && date->week >= 1 && take(reader, '.') &&
               take_number(reader, 6, &date->weekday);
    } else if (take(reader, 'J')) {
        date->kind = ZONE_DATE_JULIAN;
        good = take_number(reader, 365, &date->day) && date->day >= 1;
    } else {
        date->kind = ZONE_DATE_ZERO_BASED;
        good = take_number(reader, 365, &date->day);
    }
    return good && (!take(reader, '/') || take_time(reader, 167, &date->time_s));
}

bool zone_rule_parse(struct span text, struct zone_rule *ret_rule)
{
    struct reader reader = {text.data, text.data + text.len};
    struct zone_rule rule = {0};
    int32_t west_s;
    if (!take_name(&reader) || !take_time(&reader, 24, &west_s))
        return false;
    rule.standard_offset_s = -west_s;
    if (reader.at != reader.end) {
        rule.has_summer = true;
        rule.summer_offset_s = rule.standard_offset_s + HOUR_S;
        if (!take_name(&reader))
            return false;
        if (!take(&reader, ',')) {
            if (!take_time(&reader, 24, &west_s) || !take(&reader, ','))
                return false;
            rule.summer_offset_s = -west_s;
        }
        if (!take_date(&reader, &rule.start) || !take(&reader, ',') ||
            !take_date(&reader, &rule.end))
            return false;
    }
    if (reader.at != reader.end)
        return false;
    *ret_rule = rule;
    return true;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool leap_year(int32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Local seconds since the epoch at which the change of `year` comes. */
static int64_t change_local_s(const struct zone_rule_date *date, int32_t year)
{
    int32_t day = period_day_from_date(year, 1, 1);
    switch (date->kind) {
    case ZONE_DATE_JULIAN:
        day += date->day - 1 + (leap_year(year) && date->day >= 60);
        break;
    case ZONE_DATE_ZERO_BASED:
        day += date->day;
        break;
    case ZONE_DATE_MONTH_WEEK: {
        int32_t first = period_day_from_date(year, date->month, 1);
        int32_t next = date->month == 12 ? period_day_from_date(year + 1, 1, 1)
                                         : period_day_from_date(year, date->month + 1, 1);
        /* Day 0 was a Thursday. */
        int32_t weekday = (int32_t)(((int64_t)first + 4) - 7 * floor_divide((int64_t)first + 4, 7));
        day = first + (date->weekday - weekday + 7) % 7 + 7 * (date->week - 1);
        if (day >= next)
            day -= 7;
        break;
    }
    }
    return (int64_t)day * DAY_S + date->time_s;
}

int32_t zone_rule_offset_s(const struct zone_rule *rule, int64_t at_s)
{
    if (!rule->has_summer)
        return rule->standard_offset_s;
    int64_t local_day = floor_divide(at_s + rule->standard_offset_s, DAY_S);
    /* Beyond what a date can be: no summer there. */
    if (local_day > INT32_MAX / 2 || local_day < INT32_MIN / 2)
        return rule->standard_offset_s;
    int32_t year;
    int32_t month;
    int32_t day;
    period_date_from_day((int32_t)local_day, &year, &month, &day);
    int64_t start_s = change_local_s(&rule->start, year) - rule->standard_offset_s;
    int64_t end_s = change_local_s(&rule->end, year) - rule->summer_offset_s;
    bool summer =
        start_s <= end_s ? at_s >= start_s && at_s < end_s : at_s >= start_s || at_s < end_s;
    return summer ? rule->summer_offset_s : rule->standard_offset_s;
}
