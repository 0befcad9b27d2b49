/*
 * The well-known types that JSON shows as a string: Timestamp (RFC 3339), Duration ("1.5s") and
 * FieldMask ("a,b.c"), as the comments of their .proto files and the conformance suite have them.
 */
#include <string.h>

#include "rpc/json_internal.h"

#define NANOS_PER_SECOND 1000000000
#define NANOS_DIGITS 9
#define SECONDS_PER_DAY 86400
#define SECONDS_PER_HOUR 3600
#define SECONDS_PER_MINUTE 60
/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
#define TIMESTAMP_SECONDS_MIN INT64_C(-62135596800)
#define TIMESTAMP_SECONDS_MAX INT64_C(253402300799)
/* 10,000 years, both ways. */
#define DURATION_SECONDS_MAX INT64_C(315576000000)
/* Digits of a duration's seconds at most: more than enough for any that is in range. */
#define DURATION_DIGITS_MAX 15
/* Longest text of either, in bytes. */
#define TIME_BYTES_MAX 48

/* Days of a 400-year era, and from 0000-03-01 to 1970-01-01. */
#define ERA_DAYS 146097
#define EPOCH_DAYS 719468

/* A text that is read from its front. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool take_byte(struct cursor *cursor, char byte)
{
    if (cursor->at == cursor->end || *cursor->at != (uint8_t)byte)
        return false;
    cursor->at++;
    return true;
}

/* Exactly so many digits. */
static bool take_digits(struct cursor *cursor, unsigned count, int64_t *ret_value)
{
    int64_t value = 0;
    if ((size_t)(cursor->end - cursor->at) < count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (!is_digit(cursor->at[i]))
            return false;
        value = value * 10 + (cursor->at[i] - '0');
    }
    cursor->at += count;
    *ret_value = value;
    return true;
}

/* `.` and 1 to 9 digits, or nothing, as nanoseconds. */
static bool take_fraction(struct cursor *cursor, int64_t *ret_nanos)
{
    int64_t nanos = 0;
    unsigned digits = 0;
    if (take_byte(cursor, '.')) {
        for (; cursor->at < cursor->end && is_digit(*cursor->at) && digits < NANOS_DIGITS; digits++)
            nanos = nanos * 10 + (*cursor->at++ - '0');
        if (digits == 0)
            return false;
        for (; digits < NANOS_DIGITS; digits++)
            nanos *= 10;
    }
    *ret_nanos = nanos;
    return true;
}

/* Of the proleptic Gregorian calendar, from 1970-01-01; a year begins in March here. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2)
        year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           EPOCH_DAYS;
}

static void date_of(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day)
{
    days += EPOCH_DAYS; /* never negative within a Timestamp's range */
    int64_t era = days / ERA_DAYS, day = days % ERA_DAYS;
    int64_t year = (day - day / 1460 + day / 36524 - day / (ERA_DAYS - 1)) / 365;
    int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month + 2) / 5 + 1;
    *ret_month = month < 10 ? month + 3 : month - 9;
    *ret_year = year + era * 400 + (*ret_month <= 2);
}

static bool take_date(struct cursor *cursor, int64_t *ret_days)
{
    static const int64_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (!take_digits(cursor, 4, &year) || !take_byte(cursor, '-') ||
        !take_digits(cursor, 2, &month) || !take_byte(cursor, '-') || !take_digits(cursor, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > month_days[month - 1] + (month == 2 && leap))
        return false;
    *ret_days = days_of(year, month, day);
    return true;
}

/* `Z` or `+hh:mm`, as seconds. */
static bool take_offset(struct cursor *cursor, int64_t *ret_offset)
{
    int64_t hours, minutes;
    *ret_offset = 0;
    if (take_byte(cursor, 'Z'))
        return true;
    bool negative = take_byte(cursor, '-');
    if (!negative && !take_byte(cursor, '+'))
        return false;
    if (!take_digits(cursor, 2, &hours) || !take_byte(cursor, ':') ||
        !take_digits(cursor, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    int64_t offset = hours * SECONDS_PER_HOUR + minutes * SECONDS_PER_MINUTE;
    *ret_offset = negative ? -offset : offset;
    return true;
}

static bool read_timestamp(struct span text, int64_t *ret_seconds, int64_t *ret_nanos)
{
    struct cursor cursor = {text.data, text.data + text.len};
    int64_t days, hours, minutes, seconds, nanos, offset;
    if (!take_date(&cursor, &days) || !take_byte(&cursor, 'T') ||
        !take_digits(&cursor, 2, &hours) || !take_byte(&cursor, ':') ||
        !take_digits(&cursor, 2, &minutes) || !take_byte(&cursor, ':') ||
        !take_digits(&cursor, 2, &seconds) || !take_fraction(&cursor, &nanos) ||
        !take_offset(&cursor, &offset) || cursor.at != cursor.end)
        return false;
    if (hours > 23 || minutes > 59 || seconds > 59)
        return false;
    int64_t whole = days * SECONDS_PER_DAY + hours * SECONDS_PER_HOUR +
                    minutes * SECONDS_PER_MINUTE + seconds - offset;
    if (whole < TIMESTAMP_SECONDS_MIN || whole > TIMESTAMP_SECONDS_MAX)
        return false;
    *ret_seconds = whole;
    *ret_nanos = nanos;
    return true;
}

static bool read_duration(struct span text, int64_t *ret_seconds, int64_t *ret_nanos)
{
    struct cursor cursor = {text.data, text.data + text.len};
    bool negative = take_byte(&cursor, '-');
    int64_t seconds, nanos;
    unsigned digits = 0;
    while (cursor.at + digits < cursor.end && is_digit(cursor.at[digits]))
        digits++;
    if (digits == 0 || digits > DURATION_DIGITS_MAX || !take_digits(&cursor, digits, &seconds) ||
        !take_fraction(&cursor, &nanos) || !take_byte(&cursor, 's') || cursor.at != cursor.end)
        return false;
    if (seconds > DURATION_SECONDS_MAX)
        return false;
    *ret_seconds = negative ? -seconds : seconds;
    *ret_nanos = negative ? -nanos : nanos;
    return true;
}

/* One path of a mask from lowerCamelCase, into `out` of twice its length and a NUL. */
static bool read_path(struct span path, char *out)
{
    size_t len = 0;
    if (path.len == 0)
        return false;
    for (size_t i = 0; i < path.len; i++) {
        uint8_t byte = path.data[i];
        bool upper = byte >= 'A' && byte <= 'Z';
        if (!upper && !is_digit(byte) && !(byte >= 'a' && byte <= 'z') && byte != '.')
            return false;
        if (upper)
            out[len++] = '_';
        out[len++] = (char)(upper ? byte - 'A' + 'a' : byte);
    }
    out[len] = '\0';
    return true;
}

static enum rpc_code parse_field_mask(const struct json__plan *plan, struct span text,
                                      struct arena *arena, ProtobufCMessage *message)
{
    const struct json__field *paths = &plan->fields[0];
    size_t capacity = 0;
    while (text.len > 0) {
        const uint8_t *comma = memchr(text.data, ',', text.len);
        struct span path = {text.data, comma == NULL ? text.len : (size_t)(comma - text.data)};
        void *slot;
        char *copy = arena_alloc(arena, path.len * 2 + 1);
        if (copy == NULL)
            return RPC_RESOURCE_EXHAUSTED;
        if (!read_path(path, copy))
            return RPC_INVALID_ARGUMENT;
        enum rpc_code code = json__slot_element(paths, message, &capacity, arena, &slot);
        if (code != RPC_OK)
            return code;
        memcpy(slot, &copy, sizeof copy);
        json__slot_filled(paths, message);
        if (comma != NULL && path.len + 1 == text.len)
            return RPC_INVALID_ARGUMENT; /* nothing behind the last comma */
        size_t taken = path.len + (comma != NULL);
        text = (struct span){text.data + taken, text.len - taken};
    }
    return RPC_OK;
}

enum rpc_code json__known_parse(const struct json__plan *plan, struct span text,
                                struct arena *arena, ProtobufCMessage *message)
{
    int64_t seconds, nanos;
    if (plan->form == JSON__FIELD_MASK)
        return parse_field_mask(plan, text, arena, message);
    if (plan->form == JSON__TIMESTAMP ? !read_timestamp(text, &seconds, &nanos)
                                      : !read_duration(text, &seconds, &nanos))
        return RPC_INVALID_ARGUMENT;
    int32_t narrow = (int32_t)nanos;
    memcpy(json__member(message, plan->fields[0].offset), &seconds, sizeof seconds);
    memcpy(json__member(message, plan->fields[1].offset), &narrow, sizeof narrow);
    return RPC_OK;
}

/* --- printing ----------------------------------------------------------------------------------
 */

/* So many digits, with zeros before; returns what is behind them. */
static char *write_digits(char *out, unsigned count, int64_t value)
{
    for (unsigned i = count; i > 0; i--, value /= 10)
        out[i - 1] = (char)('0' + value % 10);
    return out + count;
}

/* None, three, six or nine digits after a point. */
static char *write_fraction(char *out, int64_t nanos)
{
    unsigned digits = NANOS_DIGITS;
    if (nanos == 0)
        return out;
    for (; nanos % 1000 == 0; nanos /= 1000)
        digits -= 3;
    *out++ = '.';
    return write_digits(out, digits, nanos);
}

static bool print_timestamp(int64_t seconds, int32_t nanos, struct buffer *out)
{
    if (seconds < TIMESTAMP_SECONDS_MIN || seconds > TIMESTAMP_SECONDS_MAX || nanos < 0 ||
        nanos >= NANOS_PER_SECOND)
        return false;
    int64_t days = seconds / SECONDS_PER_DAY, rest = seconds % SECONDS_PER_DAY;
    if (rest < 0) {
        rest += SECONDS_PER_DAY;
        days--;
    }
    int64_t year, month, day;
    date_of(days, &year, &month, &day);
    char text[TIME_BYTES_MAX], *at = text;
    *at++ = '"';
    at = write_digits(at, 4, year);
    *at++ = '-';
    at = write_digits(at, 2, month);
    *at++ = '-';
    at = write_digits(at, 2, day);
    *at++ = 'T';
    at = write_digits(at, 2, rest / SECONDS_PER_HOUR);
    *at++ = ':';
    at = write_digits(at, 2, rest / SECONDS_PER_MINUTE % 60);
    *at++ = ':';
    at = write_digits(at, 2, rest % 60);
    at = write_fraction(at, nanos);
    *at++ = 'Z';
    *at++ = '"';
    (void)buffer_append(out, text, (size_t)(at - text));
    return true;
}

static bool print_duration(int64_t seconds, int32_t nanos, struct buffer *out)
{
    if (seconds < -DURATION_SECONDS_MAX || seconds > DURATION_SECONDS_MAX ||
        nanos <= -NANOS_PER_SECOND || nanos >= NANOS_PER_SECOND || (seconds > 0 && nanos < 0) ||
        (seconds < 0 && nanos > 0))
        return false;
    bool negative = seconds < 0 || nanos < 0;
    char text[TIME_BYTES_MAX], *at = text;
    *at++ = '"';
    at += json__number_write(at, negative, (uint64_t)(seconds < 0 ? -seconds : seconds));
    at = write_fraction(at, nanos < 0 ? -nanos : nanos);
    *at++ = 's';
    *at++ = '"';
    (void)buffer_append(out, text, (size_t)(at - text));
    return true;
}

/* A path to lowerCamelCase. False: reading it again would not give the same. */
static bool print_path(const char *path, struct buffer *out)
{
    if (path == NULL || *path == '\0')
        return false;
    for (; *path != '\0'; path++) {
        char byte = *path;
        if (byte == '_') {
            byte = *++path;
            if (byte < 'a' || byte > 'z')
                return false;
            byte = (char)(byte - 'a' + 'A');
        } else if (!is_digit((uint8_t)byte) && !(byte >= 'a' && byte <= 'z') && byte != '.') {
            return false;
        }
        (void)buffer_append_byte(out, (uint8_t)byte);
    }
    return true;
}

static bool print_field_mask(const struct json__field *paths, const ProtobufCMessage *message,
                             struct buffer *out)
{
    size_t count;
    char *const *texts;
    memcpy(&count, json__member(message, paths->quantifier_offset), sizeof count);
    memcpy(&texts, json__member(message, paths->offset), sizeof texts);
    (void)buffer_append_byte(out, '"');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            (void)buffer_append_byte(out, ',');
        if (!print_path(texts[i], out))
            return false;
    }
    (void)buffer_append_byte(out, '"');
    return true;
}

bool json__known_print(const struct json__plan *plan, const ProtobufCMessage *message,
                       struct buffer *out)
{
    int64_t seconds;
    int32_t nanos;
    if (plan->form == JSON__FIELD_MASK)
        return print_field_mask(&plan->fields[0], message, out);
    memcpy(&seconds, json__member(message, plan->fields[0].offset), sizeof seconds);
    memcpy(&nanos, json__member(message, plan->fields[1].offset), sizeof nanos);
    return plan->form == JSON__TIMESTAMP ? print_timestamp(seconds, nanos, out)
                                         : print_duration(seconds, nanos, out);
}
