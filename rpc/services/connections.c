#include "rpc/services/connections.h"

#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/model/reltime.h"
#include "rpc/services/model/standing.h"

/* False when out of memory. An empty text is null. */
static bool fill_text(struct arena *arena, const char *text,
                      Google__Protobuf__StringValue **ret_value)
{
    if (text[0] == '\0')
        return true;
    Google__Protobuf__StringValue *value = arena_alloc(arena, sizeof *value);
    if (value == NULL)
        return false;
    google__protobuf__string_value__init(value);
    value->value = (char *)text;
    *ret_value = value;
    return true;
}

static bool fill_last_sync(struct arena *arena, int64_t at_ms, int64_t now_ms,
                           Lotcast__V1__WebsiteConnection *shown)
{
    char *relative = arena_alloc(arena, RELTIME_BYTES);
    char *absolute = arena_alloc(arena, CLOCK_RFC3339_BYTES);
    if (relative == NULL || absolute == NULL)
        return false;
    reltime_past_short(at_ms, now_ms, relative);
    shown->last_sync = relative;
    absolute[0] = '\0';
    if (at_ms > 0)
        clock_format_rfc3339(at_ms, absolute);
    return fill_text(arena, absolute, &shown->last_sync_at);
}

Lotcast__V1__WebsiteConnection *
connections_website(struct arena *arena, const Lotcast__V1__WebsiteRecord *website, int64_t now_ms)
{
    Lotcast__V1__WebsiteConnection *shown = arena_alloc(arena, sizeof *shown);
    if (shown == NULL)
        return NULL;
    lotcast__v1__website_connection__init(shown);
    shown->connected = onboarding_website_connected(website);
    if (shown->connected) {
        shown->items_detected = website->item_count;
        if (!fill_text(arena, website->url, &shown->url))
            return NULL;
    }
    int64_t read_at_ms = website == NULL ? 0 : website->last_read_at_ms;
    return fill_last_sync(arena, read_at_ms, now_ms, shown) ? shown : NULL;
}

static const char *account_name(Lotcast__V1__MetaAccount *const *accounts, size_t count,
                                const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(accounts[i]->id, id) == 0)
            return accounts[i]->name;
    return "";
}

Lotcast__V1__MetaConnection *connections_meta(struct arena *arena,
                                              const Lotcast__V1__MetaConnectionRecord *connection,
                                              int64_t now_ms)
{
    Lotcast__V1__MetaConnection *shown = arena_alloc(arena, sizeof *shown);
    if (shown == NULL)
        return NULL;
    lotcast__v1__meta_connection__init(shown);
    shown->connected = standing_token_alive(connection, now_ms);
    if (!shown->connected)
        return shown;
    const char *business =
        account_name(connection->businesses, connection->n_businesses, connection->business_id);
    if (!fill_text(arena, connection->ad_account_id, &shown->account_id) ||
        !fill_text(arena, business, &shown->business_name))
        return NULL;
    return shown;
}
