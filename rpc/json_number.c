/*
 * Numbers without floating point: JSON's decimal text to scaled integers and back, exactly.
 */
#include <string.h>

#include "rpc/json_internal.h"

/* Exponents beyond this are as good as infinite for any number that fits 64 bits. */
#define EXPONENT_MAX 100000000

/* The parts of a JSON number. */
struct number {
    bool negative;
    struct span whole;    /* digits before the point */
    struct span fraction; /* digits after it; may be empty */
    int64_t exponent;
};

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static struct span take_digits(struct span text, size_t *at)
{
    size_t start = *at;
    while (*at < text.len && is_digit(text.data[*at]))
        (*at)++;
    return (struct span){text.data + start, *at - start};
}

/* `e-12`, at its `e`. */
static bool take_exponent(struct span text, size_t *at, int64_t *ret_exponent)
{
    (*at)++;
    bool negative = *at < text.len && text.data[*at] == '-';
    if (*at < text.len && (text.data[*at] == '-' || text.data[*at] == '+'))
        (*at)++;
    struct span digits = take_digits(text, at);
    int64_t exponent = 0;
    for (size_t i = 0; i < digits.len && exponent < EXPONENT_MAX; i++)
        exponent = exponent * 10 + (digits.data[i] - '0');
    *ret_exponent = negative ? -exponent : exponent;
    return digits.len > 0;
}

/* Splits a number by the grammar of RFC 8259, section 6. */
static bool split(struct span text, struct number *ret_number)
{
    struct number number = {0};
    size_t at = 0;
    if (at < text.len && text.data[at] == '-') {
        number.negative = true;
        at++;
    }
    number.whole = take_digits(text, &at);
    if (number.whole.len == 0 || (number.whole.len > 1 && number.whole.data[0] == '0'))
        return false;
    if (at < text.len && text.data[at] == '.') {
        at++;
        number.fraction = take_digits(text, &at);
        if (number.fraction.len == 0)
            return false;
    }
    if (at < text.len && (text.data[at] == 'e' || text.data[at] == 'E')) {
        if (!take_exponent(text, &at, &number.exponent))
            return false;
    }
    if (at != text.len)
        return false;
    *ret_number = number;
    return true;
}

bool json__number_valid(struct span text)
{
    struct number number;
    return split(text, &number);
}

bool json__number_plain(struct span text)
{
    struct number number;
    /* Digits reach to the end exactly where there is neither a point nor an exponent. */
    return split(text, &number) && number.whole.data + number.whole.len == text.data + text.len;
}

/* Adds digits whose first stands for 10^*power; stops being exact where a power is negative. */
static bool add_digits(struct span digits, int64_t *power, uint64_t *magnitude)
{
    for (size_t i = 0; i < digits.len; i++, (*power)--) {
        uint64_t digit = (uint64_t)(digits.data[i] - '0');
        if (*power < 0) {
            if (digit != 0)
                return false;
            continue;
        }
        if (__builtin_mul_overflow(*magnitude, 10u, magnitude) ||
            __builtin_add_overflow(*magnitude, digit, magnitude))
            return false;
    }
    return true;
}

bool json__number_read(struct span text, unsigned places, bool *ret_negative,
                       uint64_t *ret_magnitude)
{
    struct number number;
    if (!split(text, &number))
        return false;
    uint64_t magnitude = 0;
    int64_t power = (int64_t)number.whole.len - 1 + number.exponent + places;
    if (!add_digits(number.whole, &power, &magnitude) ||
        !add_digits(number.fraction, &power, &magnitude))
        return false;
    /* `power` is one below the last digit's, if that was not below the units already. */
    for (; magnitude != 0 && power >= 0; power--) {
        if (__builtin_mul_overflow(magnitude, 10u, &magnitude))
            return false;
    }
    *ret_negative = number.negative && magnitude != 0;
    *ret_magnitude = magnitude;
    return true;
}

static const char digit_pairs[] = "0001020304050607080910111213141516171819"
                                  "2021222324252627282930313233343536373839"
                                  "4041424344454647484950515253545556575859"
                                  "6061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

/* Writes backwards, ending before `end`, and returns the first digit. */
static char *write_backwards(char *end, uint64_t magnitude)
{
    while (magnitude >= 100) {
        end -= 2;
        memcpy(end, &digit_pairs[magnitude % 100 * 2], 2);
        magnitude /= 100;
    }
    if (magnitude >= 10) {
        end -= 2;
        memcpy(end, &digit_pairs[magnitude * 2], 2);
    } else {
        *--end = (char)('0' + magnitude);
    }
    return end;
}

size_t json__number_write(char *out, bool negative, uint64_t magnitude)
{
    char digits[20];
    char *end = digits + sizeof digits;
    char *first = write_backwards(end, magnitude);
    size_t len = (size_t)(end - first);
    out[0] = '-';
    memcpy(out + negative, first, len);
    return len + negative;
}

size_t json__number_write_places(char *out, bool negative, uint64_t magnitude, unsigned places)
{
    uint64_t scale = 1;
    for (unsigned i = 0; i < places; i++)
        scale *= 10;
    size_t len = json__number_write(out, negative, magnitude / scale);
    uint64_t fraction = magnitude % scale;
    if (fraction == 0)
        return len;
    out[len] = '.';
    for (unsigned i = places; i > 0; i--, fraction /= 10)
        out[len + i] = (char)('0' + fraction % 10);
    len += 1 + places;
    while (out[len - 1] == '0')
        len--;
    return len;
}
