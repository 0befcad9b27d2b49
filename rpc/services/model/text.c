#include "rpc/services/model/text.h"

#include <stdint.h>
#include <string.h>

#include "rpc/base/utf8.h"

bool text_single_line(const char *text, size_t len)
{
    if (!utf8_valid(text, len, NULL))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned char next = i + 1 < len ? (unsigned char)text[i + 1] : 0;
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0))
            return false;
        /* U+2028 and U+2029 are e2 80 a8 and e2 80 a9. */
        if (c == 0xe2 && next == 0x80 && ((unsigned char)text[i + 2] & 0xfe) == 0xa8)
            return false;
    }
    return true;
}

/* Bytes of the white space at the front: a space, U+00A0 or U+3000. */
static size_t space_length(const char *text, size_t len)
{
    if (len >= 1 && *text == ' ')
        return 1;
    if (len >= 2 && memcmp(text, "\xc2\xa0", 2) == 0)
        return 2;
    if (len >= 3 && memcmp(text, "\xe3\x80\x80", 3) == 0)
        return 3;
    return 0;
}

bool text_name(const char *text, size_t *ret_start, size_t *ret_len)
{
    size_t end = strlen(text);
    if (!text_single_line(text, end))
        return false;
    size_t start = 0;
    size_t space;
    for (space = space_length(text, end); space > 0;
         space = space_length(text + start, end - start))
        start += space;
    for (size_t at = end; at > start; at = end) {
        /* Back to where the last character begins. */
        do
            at--;
        while (((unsigned char)text[at] & 0xc0) == 0x80);
        if (space_length(text + at, end - at) == 0)
            break;
        end = at;
    }
    if (end - start > TEXT_NAME_BYTES_MAX)
        return false;
    *ret_start = start;
    *ret_len = end - start;
    return true;
}

static bool alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Characters that show nothing, or turn the text around: a second spelling of another's address. */
static bool has_invisible(const char *text, size_t len)
{
    for (size_t i = 0; i + 2 < len; i++) {
        const unsigned char *c = (const unsigned char *)text + i;
        if (c[0] == 0xe2 && c[1] == 0x80 && (c[2] <= 0x8f || (c[2] >= 0xaa && c[2] <= 0xaf)))
            return true; /* U+2000 … U+200F, U+202A … U+202F */
        if (c[0] == 0xe2 && c[1] == 0x81 && (c[2] == 0x9f || (c[2] >= 0xa0 && c[2] <= 0xaf)))
            return true; /* U+205F … U+206F */
        if ((c[0] == 0xef && c[1] == 0xbb && c[2] == 0xbf) ||
            (c[0] == 0xe3 && c[1] == 0x80 && c[2] == 0x80))
            return true; /* U+FEFF, U+3000 */
    }
    return memmem(text, len, "\xc2\xa0", 2) != NULL || memmem(text, len, "\xc2\xad", 2) != NULL;
}

static bool local_valid(const char *local, size_t len)
{
    if (len == 0 || len > TEXT_EMAIL_LOCAL_BYTES_MAX || local[0] == '.' || local[len - 1] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = local[i];
        bool atom = alphanumeric(c) || ((unsigned char)c & 0x80) != 0 ||
                    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
        if (!atom || (c == '.' && local[i - 1] == '.'))
            return false;
    }
    return true;
}

/* RFC 1123's labels, or what is not ASCII; two of them at least, the last not a number. */
static bool domain_valid(const char *domain, size_t len)
{
    size_t labels = 0;
    size_t digits = 0;
    size_t label_len = 0;
    for (size_t i = 0; i <= len; i++) {
        char c = i < len ? domain[i] : '.';
        if (c != '.') {
            if (!alphanumeric(c) && c != '-' && ((unsigned char)c & 0x80) == 0)
                return false;
            label_len++;
            digits += c >= '0' && c <= '9';
            continue;
        }
        if (label_len == 0 || label_len > 63 || domain[i - label_len] == '-' ||
            domain[i - 1] == '-' || (i == len && digits == label_len))
            return false;
        labels++;
        digits = label_len = 0;
    }
    return labels >= 2;
}

bool text_email_valid(const char *email)
{
    size_t len = strlen(email);
    if (len > TEXT_EMAIL_BYTES_MAX || !text_single_line(email, len) || has_invisible(email, len))
        return false;
    const char *at = strchr(email, '@');
    if (at == NULL)
        return false;
    return local_valid(email, (size_t)(at - email)) &&
           domain_valid(at + 1, len - (size_t)(at + 1 - email));
}

void text_email_key(const char *email, char key[static TEXT_EMAIL_BYTES_MAX + 1])
{
    size_t len = strnlen(email, TEXT_EMAIL_BYTES_MAX);
    for (size_t i = 0; i < len; i++)
        key[i] = email[i] >= 'A' && email[i] <= 'Z' ? (char)(email[i] - 'A' + 'a') : email[i];
    key[len] = '\0';
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    char lower = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    const char *at = lower == '\0' ? NULL : strchr(digits, lower);
    return at == NULL ? -1 : (int)(at - digits);
}

/* Characters of RFC 3986's query; what is encoded in it is well formed and no control character. */
static bool query_valid(const char *query)
{
    for (size_t i = 0; query[i] != '\0'; i++) {
        if (query[i] == '%') {
            int high = hex_digit(query[i + 1]);
            int low = high < 0 ? -1 : hex_digit(query[i + 2]);
            if (low < 0 || high < 2 || (high == 7 && low == 15))
                return false;
            i += 2;
        } else if (!alphanumeric(query[i]) && strchr("-._~!$&'()*+,;=:@/?[]", query[i]) == NULL) {
            return false;
        }
    }
    return true;
}

bool text_return_to_valid(const char *path)
{
    size_t len = strcspn(path, "?");
    if (strlen(path) > TEXT_RETURN_TO_BYTES_MAX)
        return false;
    if (strncmp(path, "/app/", 5) != 0 && strncmp(path, "/onboarding/", 12) != 0)
        return false;
    for (size_t i = 1; i < len; i++) {
        bool separator = path[i - 1] == '/';
        if (!alphanumeric(path[i]) && strchr("-_~./", path[i]) == NULL)
            return false;
        if (separator && (path[i] == '/' || path[i] == '.'))
            return false;
    }
    return path[len] == '\0' || query_valid(path + len + 1);
}
