#include "rpc/services/model/password.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rpc/base/utf8.h"

static int compare(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

static bool common(const char *password, size_t len)
{
    char lower[PASSWORD_BYTES_MAX + 1];
    for (size_t i = 0; i <= len; i++) {
        char c = password[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return bsearch(lower, password__common, password__common_count, sizeof password__common[0],
                   compare) != NULL;
}

/* A longer run of one character is nobody's common choice. In bytes. */
#define MONOTONOUS_BYTES_MAX 32

/* One character over and over: among the most common for every character, so no list holds them. */
static bool monotonous(const char *password, size_t len)
{
    size_t first = utf8_sequence_length(password, len);
    if (first == 0 || len % first != 0 || len > MONOTONOUS_BYTES_MAX)
        return false;
    for (size_t at = first; at < len; at += first) {
        if (memcmp(password, password + at, first) != 0)
            return false;
    }
    return true;
}

bool password_acceptable(const char *password, const char *email)
{
    size_t len = strlen(password);
    if (len < PASSWORD_BYTES_MIN || len > PASSWORD_BYTES_MAX || !utf8_valid(password, len, NULL))
        return false;
    return strcasecmp(password, email) != 0 && !monotonous(password, len) && !common(password, len);
}
