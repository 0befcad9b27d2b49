/*
 * JSON's texts: scanning a string, a number or a word, and checking a whole text by RFC 8259 and
 * the API's own limits without making anything of it.
 */
#include <string.h>

#include "rpc/base/utf8.h"
#include "rpc/json_internal.h"

/* What json_text_check may take for its tables, in bytes. */
#define CHECK_BYTES_MAX ((size_t)64 * 1024 * 1024)

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

enum expect { EXPECT_VALUE, EXPECT_FIRST_VALUE, EXPECT_KEY, EXPECT_FIRST_KEY, EXPECT_NEXT };

struct checker {
    struct span text;
    size_t at; /* on failure: the offence */
    size_t depth;
    bool is_object[JSON_DEPTH_MAX];
    enum rpc_code failure; /* where it is not the text's fault */
    struct arena *arena;
    struct json__keys keys;
};

size_t json__plain_run(const uint8_t *data, size_t len)
{
    size_t at = 0;
    for (; at + 8 <= len; at += 8) {
        uint64_t word;
        memcpy(&word, data + at, 8);
        /* The high bit of the first byte that is a quote, a backslash, below 0x20 or above 0x7f. */
        uint64_t hits = (((word ^ (ONES * '"')) - ONES) | ((word ^ (ONES * '\\')) - ONES) |
                         (word - ONES * 0x20) | word) &
                        HIGHS;
        if (hits != 0)
            break;
    }
    while (at < len && data[at] >= 0x20 && data[at] < 0x80 && data[at] != '"' && data[at] != '\\')
        at++;
    return at;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* The code unit of `\uXXXX` at `at`; -1 if it is none. */
static int32_t read_unit(struct span text, size_t at)
{
    if (text.len - at < 6 || text.data[at] != '\\' || text.data[at + 1] != 'u')
        return -1;
    int32_t unit = 0;
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_digit(text.data[at + i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* The code point that the escape at `at` stands for, and its length; -1 if it is not allowed. */
static int32_t read_escape(struct span text, size_t at, size_t *ret_len)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (text.len - at < 2)
        return -1;
    if (text.data[at + 1] != 'u') {
        const char *letter = memchr(letters, text.data[at + 1], sizeof letters - 1);
        *ret_len = 2;
        return letter == NULL ? -1 : values[letter - letters];
    }
    int32_t unit = read_unit(text, at);
    *ret_len = 6;
    if (unit <= 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return -1;
    if (unit < 0xd800 || unit > 0xdbff)
        return unit;
    int32_t low = read_unit(text, at + 6);
    *ret_len = 12;
    if (low < 0xdc00 || low > 0xdfff)
        return -1;
    return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
}

bool json__string_scan(struct span text, size_t *at, struct span *ret_raw, bool *ret_escaped)
{
    size_t start = ++*at;
    bool escaped = false;
    while (*at < text.len) {
        *at += json__plain_run(text.data + *at, text.len - *at);
        if (*at == text.len)
            return false;
        uint8_t byte = text.data[*at];
        size_t step = 0;
        if (byte == '"') {
            *ret_raw = (struct span){text.data + start, (*at)++ - start};
            *ret_escaped = escaped;
            return true;
        }
        if (byte == '\\') {
            escaped = true;
            if (read_escape(text, *at, &step) < 0)
                return false;
        } else if (byte >= 0x80) {
            step = utf8_sequence_length((const char *)text.data + *at, text.len - *at);
        }
        if (step == 0)
            return false;
        *at += step;
    }
    return false;
}

struct span json__string_decode(struct span raw, struct arena *arena)
{
    /* No escape is shorter than what it stands for. */
    uint8_t *bytes = arena_alloc(arena, raw.len);
    if (bytes == NULL)
        return (struct span){NULL, 0};
    size_t len = 0;
    for (size_t at = 0; at < raw.len;) {
        if (raw.data[at] != '\\') {
            bytes[len++] = raw.data[at++];
            continue;
        }
        size_t step = 0;
        char utf8[4];
        size_t count = utf8_encode((uint32_t)read_escape(raw, at, &step), utf8);
        memcpy(bytes + len, utf8, count);
        len += count;
        at += step;
    }
    return (struct span){bytes, len};
}

/* A key, at its quote, with the colon after it. */
static bool check_key(struct checker *checker)
{
    size_t start = checker->at;
    struct span key;
    bool escaped;
    if (!json__string_scan(checker->text, &checker->at, &key, &escaped))
        return false;
    if (escaped) {
        key = json__string_decode(key, checker->arena);
        if (key.data == NULL) {
            checker->failure = RPC_RESOURCE_EXHAUSTED;
            return false;
        }
    }
    enum rpc_code code = json__keys_add(&checker->keys, checker->depth - 1, key);
    if (code != RPC_OK) {
        checker->at = start;
        if (code != RPC_ALREADY_EXISTS)
            checker->failure = code;
        return false;
    }
    return true;
}

static bool is_number_byte(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == '.' ||
           byte == 'e' || byte == 'E';
}

bool json__number_scan(struct span text, size_t *at, struct span *ret_number)
{
    size_t end = *at;
    while (end < text.len && is_number_byte(text.data[end]))
        end++;
    struct span number = {text.data + *at, end - *at};
    if (!json__number_valid(number))
        return false;
    *ret_number = number;
    *at = end;
    return true;
}

bool json__literal_scan(struct span text, size_t *at, const char *literal)
{
    size_t len = strlen(literal);
    if (text.len - *at < len || memcmp(text.data + *at, literal, len) != 0)
        return false;
    *at += len;
    return true;
}

static bool open_container(struct checker *checker, bool is_object)
{
    if (checker->depth == JSON_DEPTH_MAX)
        return false;
    checker->is_object[checker->depth] = is_object;
    if (is_object)
        json__keys_open(&checker->keys, checker->depth);
    checker->depth++;
    checker->at++;
    return true;
}

/* A value, or the opening of one; says what is expected then. */
static bool check_value(struct checker *checker, enum expect *expect)
{
    struct span text = checker->text, raw;
    bool escaped;
    *expect = EXPECT_NEXT;
    switch (text.data[checker->at]) {
    case '{':
        *expect = EXPECT_FIRST_KEY;
        return open_container(checker, true);
    case '[':
        *expect = EXPECT_FIRST_VALUE;
        return open_container(checker, false);
    case '"':
        return json__string_scan(text, &checker->at, &raw, &escaped);
    case 't':
        return json__literal_scan(text, &checker->at, "true");
    case 'f':
        return json__literal_scan(text, &checker->at, "false");
    case 'n':
        return json__literal_scan(text, &checker->at, "null");
    default:
        return json__number_scan(text, &checker->at, &raw);
    }
}

/* A comma, or the end of the innermost container. */
static bool check_next(struct checker *checker, enum expect *expect)
{
    bool is_object = checker->is_object[checker->depth - 1];
    uint8_t byte = checker->text.data[checker->at];
    if (byte == ',') {
        *expect = is_object ? EXPECT_KEY : EXPECT_VALUE;
    } else if (byte == (is_object ? '}' : ']')) {
        checker->depth--;
        *expect = EXPECT_NEXT;
    } else {
        return false;
    }
    checker->at++;
    return true;
}

static bool check_member(struct checker *checker, enum expect *expect)
{
    if (checker->text.data[checker->at] != '"' || !check_key(checker))
        return false;
    json__blanks_skip(checker->text, &checker->at);
    if (checker->at == checker->text.len || checker->text.data[checker->at] != ':')
        return false;
    checker->at++;
    *expect = EXPECT_VALUE;
    return true;
}

static bool check_step(struct checker *checker, enum expect *expect)
{
    uint8_t byte = checker->text.data[checker->at];
    switch (*expect) {
    case EXPECT_FIRST_KEY:
        if (byte == '}')
            return check_next(checker, expect);
        return check_member(checker, expect);
    case EXPECT_KEY:
        return check_member(checker, expect);
    case EXPECT_FIRST_VALUE:
        if (byte == ']')
            return check_next(checker, expect);
        return check_value(checker, expect);
    case EXPECT_VALUE:
        return check_value(checker, expect);
    case EXPECT_NEXT:
        break;
    }
    return checker->depth > 0 && check_next(checker, expect);
}

static bool check_all(struct checker *checker)
{
    enum expect expect = EXPECT_VALUE;
    for (;;) {
        json__blanks_skip(checker->text, &checker->at);
        if (checker->at == checker->text.len)
            return checker->depth == 0 && expect == EXPECT_NEXT;
        if (!check_step(checker, &expect))
            return false;
    }
}

enum rpc_code json__text_check(struct span text, struct arena *arena, size_t *ret_position)
{
    struct checker checker;
    checker.text = text;
    checker.at = 0;
    checker.depth = 0;
    checker.failure = RPC_OK;
    checker.arena = arena;
    if (text.len > JSON__TEXT_BYTES_MAX)
        return RPC_RESOURCE_EXHAUSTED;
    json__keys_init(&checker.keys, arena);
    if (check_all(&checker))
        return RPC_OK;
    if (checker.failure != RPC_OK)
        return checker.failure;
    *ret_position = checker.at;
    return RPC_INVALID_ARGUMENT;
}

bool json_text_check(struct span text, size_t *ret_position)
{
    struct arena arena;
    arena_init(&arena, CHECK_BYTES_MAX);
    size_t position = 0;
    enum rpc_code code = json__text_check(text, &arena, &position);
    arena_fini(&arena);
    if (code != RPC_OK)
        *ret_position = position;
    return code == RPC_OK;
}
