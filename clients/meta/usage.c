/*
 * What Meta says of our use of it, in the headers of every answer.
 */
#include <stdlib.h>

#include "clients/meta/internal.h"

#define MS_PER_S INT64_C(1000)
#define MS_PER_MINUTE (60 * MS_PER_S)
/* Longest push-back that is believed: a day. */
#define WAIT_MS_MAX (INT64_C(24) * 60 * MS_PER_MINUTE)
/* From this share of the limit on calls are slowed down, by so much a percent, and at most so long.
 */
#define SLOW_PERCENT 90
#define SLOW_MS_PER_PERCENT 200
#define SLOW_MS_MAX (INT64_C(2) * MS_PER_S)

static const struct json_tree *header_json(const struct http_response *response, const char *name,
                                           struct arena *arena)
{
    const char *text = http_response_header(response, name);
    const struct json_tree *tree = NULL;
    if (text == NULL || !json_tree_parse(span_of_string(text), arena, &tree))
        return NULL;
    return tree;
}

/* value × unit, at most WAIT_MS_MAX; 0 where there is none. */
static int64_t wait_of(const struct json_tree *value, int64_t unit_ms)
{
    int64_t number = 0;
    if (!json_tree_integer(value, &number) || number <= 0)
        return 0;
    return number > WAIT_MS_MAX / unit_ms ? WAIT_MS_MAX : number * unit_ms;
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t meta__usage_wait_ms(const struct http_response *response, struct arena *arena)
{
    /* {"<business id>": [{"type", …, "estimated_time_to_regain_access": minutes}, …], …} */
    int64_t wait_ms = 0;
    const struct json_tree *cases = header_json(response, "x-business-use-case-usage", arena);
    const struct json_tree *business =
        cases != NULL && cases->kind == JSON_TREE_OBJECT ? cases->first : NULL;
    for (; business != NULL; business = business->next) {
        if (business->kind != JSON_TREE_ARRAY)
            continue;
        for (const struct json_tree *at = business->first; at != NULL; at = at->next)
            wait_ms = longer(wait_ms, wait_of(json_tree_get(at, "estimated_time_to_regain_access"),
                                              MS_PER_MINUTE));
    }
    const struct json_tree *account = header_json(response, "x-ad-account-usage", arena);
    wait_ms = longer(wait_ms, wait_of(json_tree_get(account, "reset_time_duration"), MS_PER_S));
    const struct json_tree *app = header_json(response, "x-app-usage", arena);
    wait_ms = longer(wait_ms,
                     wait_of(json_tree_get(app, "estimated_time_to_regain_access"), MS_PER_MINUTE));
    const struct json_tree seconds = {.kind = JSON_TREE_STRING,
                                      .text = http_response_header(response, "retry-after")};
    if (seconds.text != NULL) {
        struct json_tree value = seconds;
        value.text_len = strlen(value.text);
        wait_ms = longer(wait_ms, wait_of(&value, MS_PER_S));
    }
    return wait_ms;
}

/* The whole part of a percentage, which may be written 7.5. */
static int64_t percent_of(const struct json_tree *value)
{
    const char *text = json_tree_text(value);
    size_t digits = text == NULL ? 0 : strspn(text, "0123456789");
    return digits == 0 || digits > 9 ? 0 : strtoll(text, NULL, 10);
}

static int64_t highest(const struct json_tree *usage)
{
    static const char *const keys[] = {"call_count", "total_cputime", "total_time",
                                       "acc_id_util_pct"};
    int64_t percent = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        percent = longer(percent, percent_of(json_tree_get(usage, keys[i])));
    return percent;
}

int64_t meta__usage_pause_ms(const struct http_response *response, struct arena *arena)
{
    int64_t percent = longer(highest(header_json(response, "x-app-usage", arena)),
                             highest(header_json(response, "x-ad-account-usage", arena)));
    const struct json_tree *cases = header_json(response, "x-business-use-case-usage", arena);
    const struct json_tree *business =
        cases != NULL && cases->kind == JSON_TREE_OBJECT ? cases->first : NULL;
    for (; business != NULL; business = business->next)
        for (const struct json_tree *at = business->first; at != NULL; at = at->next)
            percent = longer(percent, highest(at));
    if (percent < SLOW_PERCENT)
        return 0;
    int64_t pause_ms = (percent - SLOW_PERCENT + 1) * SLOW_MS_PER_PERCENT;
    return pause_ms < SLOW_MS_MAX ? pause_ms : SLOW_MS_MAX;
}
