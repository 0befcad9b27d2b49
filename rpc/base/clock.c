#include "rpc/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Set before threads start, constant afterwards. */
static int64_t offset_ms_set;

void clock_set_offset_ms(int64_t offset_ms)
{
    offset_ms_set = offset_ms;
}

int64_t clock_offset_ms(void)
{
    return offset_ms_set;
}

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now); /* cannot fail for these two clocks */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_now_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000 + offset_ms_set;
}

int64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

/* Reads exactly `digits` decimal digits. */
static bool read_number(const char **at, int digits, int *ret)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += digits;
    *ret = value;
    return true;
}

static bool read_char(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    (*at)++;
    return true;
}

/* An optional fraction of a second, in whole ms (further digits are cut off). */
static bool read_fraction(const char **at, int *ret_ms)
{
    *ret_ms = 0;
    if (**at != '.')
        return true;
    (*at)++;
    int scale = 100;
    bool any = false;
    while (**at >= '0' && **at <= '9') {
        *ret_ms += (**at - '0') * scale;
        scale /= 10;
        any = true;
        (*at)++;
    }
    return any;
}

bool clock_parse_rfc3339(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    int year, month, ms;
    const char *at = text;
    if (!read_number(&at, 4, &year) || !read_char(&at, '-') || !read_number(&at, 2, &month) ||
        !read_char(&at, '-') || !read_number(&at, 2, &tm.tm_mday) || !read_char(&at, 'T') ||
        !read_number(&at, 2, &tm.tm_hour) || !read_char(&at, ':') ||
        !read_number(&at, 2, &tm.tm_min) || !read_char(&at, ':') ||
        !read_number(&at, 2, &tm.tm_sec) || !read_fraction(&at, &ms) || strcmp(at, "Z") != 0)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    struct tm normal = tm;
    time_t seconds = timegm(&normal);
    /* timegm turns 30 February into March: such a date is refused. */
    if (normal.tm_mday != tm.tm_mday || normal.tm_mon != tm.tm_mon || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 59)
        return false;
    *ret_ms = (int64_t)seconds * 1000 + ms;
    return true;
}

void clock_format_rfc3339(int64_t ms, char text[static CLOCK_RFC3339_BYTES])
{
    time_t seconds = (time_t)(ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000));
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year + 1900 > 9999 || tm.tm_year + 1900 < 0) {
        (void)snprintf(text, CLOCK_RFC3339_BYTES, "1970-01-01T00:00:00Z");
        return;
    }
    (void)strftime(text, CLOCK_RFC3339_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
