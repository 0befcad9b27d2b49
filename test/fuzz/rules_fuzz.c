/*
 * Any bytes as each of the texts that people or operators type: what is taken holds what its rule
 * promises.
 */
#include <stdlib.h>
#include <string.h>

#include "rpc/base/utf8.h"
#include "rpc/services/model/money.h"
#include "rpc/services/model/password.h"
#include "rpc/services/model/period.h"
#include "rpc/services/model/text.h"
#include "rpc/services/model/zone_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_BYTES_MAX 4096

static void check(bool held)
{
    if (!held)
        abort();
}

static void check_email(const char *text)
{
    char key[TEXT_EMAIL_BYTES_MAX + 1];
    char again[TEXT_EMAIL_BYTES_MAX + 1];
    if (!text_email_valid(text))
        return;
    check(strlen(text) <= TEXT_EMAIL_BYTES_MAX && utf8_valid(text, strlen(text), NULL));
    check(strchr(text, '@') == strrchr(text, '@') && strpbrk(text, " \r\n\t<>\",;\\") == NULL);
    text_email_key(text, key);
    check(strlen(key) == strlen(text) && text_email_valid(key));
    text_email_key(key, again);
    check(strcmp(key, again) == 0);
}

static void check_return_to(const char *text)
{
    if (!text_return_to_valid(text))
        return;
    check(text[0] == '/' && text[1] != '/' && strpbrk(text, "\\\r\n \t#\"<>") == NULL);
    const char *query = strchr(text, '?');
    const char *escape = strchr(text, '%');
    const char *dots = strstr(text, "/.");
    check(escape == NULL || (query != NULL && query < escape));
    check(dots == NULL || (query != NULL && query < dots));
}

static void check_name(const char *text)
{
    size_t start;
    size_t len;
    if (!text_name(text, &start, &len))
        return;
    check(start + len <= strlen(text) && len <= TEXT_NAME_BYTES_MAX);
    check(utf8_valid(text + start, len, NULL) && text_single_line(text + start, len));
    check(len == 0 || (text[start] != ' ' && text[start + len - 1] != ' '));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[INPUT_BYTES_MAX + 1];
    struct money_rates rates;
    struct zone_rule rule;
    int32_t day;
    if (size > INPUT_BYTES_MAX)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    check_email(text);
    check_return_to(text);
    check_name(text);
    if (password_acceptable(text, "john@acme.com"))
        check(strlen(text) >= PASSWORD_BYTES_MIN && strlen(text) <= PASSWORD_BYTES_MAX);
    if (money_rates_parse(text, &rates))
        check(rates.count >= 1 && money_rate(&rates, rates.rows[0].currency) > 0);
    if (period_parse_day(text, &day)) {
        char back[PERIOD_DATE_BYTES];
        period_format_day(day, back);
        check(strcmp(back, text) == 0);
    }
    if (zone_name_valid(text))
        check(strstr(text, "..") == NULL && text[0] != '/');
    if (zone_rule_parse(span_of(data, size), &rule))
        check(abs(zone_rule_offset_s(&rule, 1770408000)) <= ZONE_OFFSET_S_MAX);
    return 0;
}
