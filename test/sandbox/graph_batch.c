/*
 * items_batch: validated at once, done some time later, with errors of single items in the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/base/clock.h"
#include "test/sandbox/graph.h"

#define BATCH_REQUESTS_MAX 5000
#define TITLE_CHARACTERS_MAX 150
#define DESCRIPTION_CHARACTERS_MAX 5000

static const struct graph_rule batch_rules[] = {
    {"item_type", GRAPH_ENUM, true,
     "PRODUCT_ITEM|VEHICLE|HOTEL|FLIGHT|DESTINATION|HOME_LISTING|VEHICLE_OFFER"},
    {"requests", GRAPH_ARRAY, true, NULL},
    {"allow_upsert", GRAPH_BOOL, false, NULL},
};

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static bool is_url(const char *text)
{
    return text != NULL && (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0);
}

/* "28000.00 USD" */
static bool is_price(const char *text)
{
    size_t digits = text == NULL ? 0 : strspn(text, "0123456789");
    if (digits == 0)
        return false;
    const char *at = text + digits;
    if (*at == '.') {
        size_t decimals = strspn(at + 1, "0123456789");
        if (decimals == 0 || decimals > 2)
            return false;
        at += 1 + decimals;
    }
    return at[0] == ' ' && strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3 && at[4] == '\0';
}

static bool texts_fit(const struct json_tree *data)
{
    const char *title = json_tree_get_text(data, "title");
    const char *description = json_tree_get_text(data, "description");
    return title != NULL && title[0] != '\0' && characters(title) <= TITLE_CHARACTERS_MAX &&
           description != NULL && description[0] != '\0' &&
           characters(description) <= DESCRIPTION_CHARACTERS_MAX;
}

static bool has_image(const struct json_tree *data)
{
    const struct json_tree *images = json_tree_get(data, "image");
    if (images == NULL || images->kind != JSON_TREE_ARRAY || images->first == NULL)
        return false;
    return is_url(json_tree_get_text(images->first, "url"));
}

static const char *product_error(const struct json_tree *data)
{
    const char *stock = json_tree_get_text(data, "availability");
    const char *condition = json_tree_get_text(data, "condition");
    if (!texts_fit(data))
        return "title or description is missing or too long";
    if (!is_url(json_tree_get_text(data, "link")))
        return "link is missing or is not a URL";
    if (!has_image(data))
        return "image is missing or is not a URL";
    if (!is_price(json_tree_get_text(data, "price")))
        return "price is missing or is not like 9.99 USD";
    if (stock == NULL ||
        !graph_value_in(stock, "in stock|out of stock|preorder|available for order|discontinued"))
        return "availability is missing or unknown";
    if (condition != NULL && !graph_value_in(condition, "new|used|refurbished|used_like_new|"
                                                        "used_good|used_fair|cpo|open_box_new"))
        return "condition is unknown";
    return NULL;
}

static const char *vehicle_error(const struct json_tree *data)
{
    static const char *const texts[] = {"make", "model", "body_style"};
    const char *vin = json_tree_get_text(data, "vin");
    const char *state = json_tree_get_text(data, "state_of_vehicle");
    const char *stock = json_tree_get_text(data, "availability");
    int64_t number;
    if (!texts_fit(data))
        return "title or description is missing or too long";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (json_tree_get_text(data, texts[i]) == NULL)
            return "make, model or body_style is missing";
    if (vin == NULL || strlen(vin) != 17)
        return "vin must have 17 characters";
    if (!json_tree_integer(json_tree_get(data, "year"), &number) || number < 1900 || number > 2100)
        return "year is missing or wrong";
    const struct json_tree *mileage = json_tree_get(data, "mileage");
    const char *unit = json_tree_get_text(mileage, "unit");
    if (!json_tree_integer(json_tree_get(mileage, "value"), &number) || number < 0 ||
        unit == NULL || !graph_value_in(unit, "MI|KM"))
        return "mileage is missing or wrong";
    if (!is_url(json_tree_get_text(data, "url")) || !has_image(data))
        return "url or image is missing";
    if (!is_price(json_tree_get_text(data, "price")))
        return "price is missing or is not like 9.99 USD";
    const struct json_tree *address = json_tree_get(data, "address");
    if (address == NULL || address->kind != JSON_TREE_OBJECT)
        return "address is missing";
    if (state == NULL || !graph_value_in(state, "NEW|USED|CPO"))
        return "state_of_vehicle is missing or unknown";
    if (stock == NULL || !graph_value_in(stock, "AVAILABLE|NOT_AVAILABLE|PENDING|UNKNOWN"))
        return "availability is missing or unknown";
    return NULL;
}

static const char *request_id(const struct json_tree *request, bool vehicle)
{
    const struct json_tree *data = json_tree_get(request, "data");
    const char *id = vehicle ? json_tree_get_text(data, "vehicle_id") : NULL;
    return id == NULL ? json_tree_get_text(data, "id") : id;
}

/* Why one request cannot be taken, or NULL. */
static const char *request_error(const struct json_tree *request, bool vehicle)
{
    const char *method = json_tree_get_text(request, "method");
    const char *id = request_id(request, vehicle);
    if (id == NULL || id[0] == '\0' || strlen(id) > 100)
        return "id is missing or too long";
    if (method == NULL || !graph_value_in(method, "CREATE|UPDATE|DELETE"))
        return "method must be CREATE, UPDATE or DELETE";
    if (strcmp(method, "DELETE") == 0)
        return NULL;
    const struct json_tree *data = json_tree_get(request, "data");
    return vehicle ? vehicle_error(data) : product_error(data);
}

static void append_validation(struct graph_call *call, struct graph_batch *batch,
                              const struct json_tree *requests)
{
    struct buffer invalid;
    buffer_init(&invalid, EXCHANGE_ANSWER_BYTES_MAX);
    (void)buffer_append_byte(&invalid, '[');
    struct buffer *out = &call->x->answer;
    size_t rows = 0;
    for (const struct json_tree *at = requests->first; at != NULL; at = at->next) {
        const char *error = request_error(at, batch->vehicle);
        if (error == NULL)
            continue;
        const char *id = request_id(at, batch->vehicle);
        (void)buffer_append_string(out, rows == 0 ? "{\"retailer_id\":" : ",{\"retailer_id\":");
        json_tree_print_string(id == NULL ? "" : id, out);
        (void)buffer_printf(out, ",\"errors\":[{\"message\":\"%s\"}],\"warnings\":[]}", error);
        (void)buffer_append_string(&invalid, rows == 0 ? "" : ",");
        json_tree_print_string(id == NULL ? "" : id, &invalid);
        rows++;
    }
    (void)buffer_append_byte(&invalid, ']');
    batch->invalid = strdup(buffer_cstring(&invalid));
    buffer_fini(&invalid);
}

/* What a catalog holds follows from its vertical: vehicles alone, or anything but vehicles. */
static bool type_fits(struct graph_call *call, const struct graph_object *catalog, const char *type)
{
    const struct json_tree *fields = NULL;
    const char *vertical = NULL;
    if (json_tree_parse(span_of_string(catalog->fields), &call->x->arena, &fields))
        vertical = json_tree_get_text(fields, "vertical");
    bool vehicles = vertical != NULL && strcmp(vertical, "vehicles") == 0;
    if (graph_value_in(type, vehicles ? "VEHICLE" : "PRODUCT_ITEM"))
        return true;
    graph_error(call, 100, 0,
                "(#100) Items of type %.32s cannot be added to a catalog of vertical %s", type,
                vertical == NULL ? "commerce" : vertical);
    return false;
}

void graph_items_batch(struct graph_call *call, struct graph_object *catalog)
{
    struct graph *graph = call->graph;
    if (!graph_allowed(call, GRAPH_CATALOG_MANAGEMENT) ||
        !graph_check(call, batch_rules, sizeof batch_rules / sizeof *batch_rules))
        return;
    const struct json_tree *requests = exchange_param_json(call->x, "requests");
    const char *type = exchange_param_text(call->x, "item_type");
    if (requests->count == 0 || requests->count > BATCH_REQUESTS_MAX) {
        graph_error(call, 100, 0, "(#100) Param requests must have 1 to 5000 elements");
        return;
    }
    if ((int64_t)requests->count > graph->batch_items_max) {
        graph_error(call, 1, 0,
                    "Please reduce the amount of data you're asking for, then retry "
                    "your request");
        return;
    }
    if (!type_fits(call, catalog, type))
        return;
    if (graph->batch_count == GRAPH_BATCHES_MAX) {
        graph_error(call, 2, 0, "Service temporarily unavailable");
        return;
    }
    struct graph_batch *batch = calloc(1, sizeof *batch);
    graph_random_text("Acz", batch->handle);
    batch->catalog = catalog->id;
    batch->vehicle = strcmp(type, "VEHICLE") == 0;
    const char *upsert = exchange_param_text(call->x, "allow_upsert");
    batch->upsert = upsert == NULL || graph_value_in(upsert, "true|1");
    batch->submitted_ms = clock_mono_ms();
    struct buffer text;
    buffer_init(&text, EXCHANGE_ANSWER_BYTES_MAX);
    json_tree_print(requests, &text);
    batch->requests = strdup(buffer_cstring(&text));
    buffer_fini(&text);
    graph->batches[graph->batch_count++] = batch;
    (void)buffer_printf(&call->x->answer, "{\"handles\":[\"%s\"],\"validation_status\":[",
                        batch->handle);
    append_validation(call, batch, requests);
    (void)buffer_append_string(&call->x->answer, "]}");
}

static void add_error(struct graph_batch *batch, struct buffer *errors, int line, const char *id,
                      const char *message)
{
    (void)buffer_printf(errors, "%s{\"line\":%d,\"id\":", batch->error_count++ == 0 ? "" : ",",
                        line);
    json_tree_print_string(id, errors);
    (void)buffer_append_string(errors, ",\"message\":");
    json_tree_print_string(message, errors);
    (void)buffer_append_byte(errors, '}');
}

static void apply_request(struct graph *graph, struct graph_batch *batch,
                          const struct json_tree *request, int line, struct buffer *errors)
{
    if (request_error(request, batch->vehicle) != NULL)
        return; /* said in validation_status */
    const char *id = request_id(request, batch->vehicle);
    struct graph_product *product = graph_product_get(graph, batch->catalog, id);
    bool exists = product != NULL && !product->deleted;
    if (graph->refused_id != NULL && strcmp(graph->refused_id, id) == 0) {
        add_error(batch, errors, line, id, graph->refused_message);
        return;
    }
    if (strcmp(json_tree_get_text(request, "method"), "DELETE") == 0) {
        if (exists)
            product->deleted = true;
        else
            add_error(batch, errors, line, id, "The item does not exist");
        return;
    }
    if (!exists && !batch->upsert && strcmp(json_tree_get_text(request, "method"), "UPDATE") == 0) {
        add_error(batch, errors, line, id, "The item does not exist");
        return;
    }
    product = graph_product_put(graph, batch->catalog, id);
    struct buffer data;
    buffer_init(&data, EXCHANGE_ANSWER_BYTES_MAX);
    json_tree_print(json_tree_get(request, "data"), &data);
    free(product->data);
    product->data = strdup(buffer_cstring(&data));
    product->vehicle = batch->vehicle;
    buffer_fini(&data);
}

static void apply_batch(struct graph *graph, struct graph_batch *batch)
{
    struct arena arena;
    arena_init(&arena, (size_t)512 * 1024 * 1024);
    struct buffer errors;
    buffer_init(&errors, EXCHANGE_ANSWER_BYTES_MAX);
    (void)buffer_append_byte(&errors, '[');
    const struct json_tree *requests = NULL;
    int line = 1;
    if (json_tree_parse(span_of_string(batch->requests), &arena, &requests))
        for (const struct json_tree *at = requests->first; at != NULL; at = at->next)
            apply_request(graph, batch, at, line++, &errors);
    (void)buffer_append_byte(&errors, ']');
    batch->errors = strdup(buffer_cstring(&errors));
    batch->applied = true;
    free(batch->requests);
    batch->requests = NULL;
    buffer_fini(&errors);
    arena_fini(&arena);
}

void graph_batches_settle(struct graph *graph)
{
    for (size_t i = 0; i < graph->batch_count; i++)
        if (!graph->batches[i]->applied &&
            clock_mono_ms() - graph->batches[i]->submitted_ms >= graph->batch_delay_ms)
            apply_batch(graph, graph->batches[i]);
}

void graph_batch_status(struct graph_call *call, struct graph_object *catalog)
{
    struct graph *graph = call->graph;
    const char *handle = exchange_param_text(call->x, "handle");
    if (!graph_allowed(call, GRAPH_CATALOG_MANAGEMENT))
        return;
    const struct graph_batch *batch = NULL;
    for (size_t i = 0; handle != NULL && i < graph->batch_count; i++)
        if (graph->batches[i]->catalog == catalog->id &&
            strcmp(graph->batches[i]->handle, handle) == 0)
            batch = graph->batches[i];
    if (batch == NULL) {
        graph_error(call, 100, 0, "(#100) Param handle is missing or unknown");
        return;
    }
    int64_t age_ms = clock_mono_ms() - batch->submitted_ms;
    const char *status = batch->applied                       ? "finished"
                         : age_ms * 4 < graph->batch_delay_ms ? "scheduled"
                         : age_ms * 2 < graph->batch_delay_ms ? "dispatched"
                                                              : "started";
    const char *with_ids = exchange_param_text(call->x, "load_ids_of_invalid_requests");
    (void)buffer_printf(
        &call->x->answer,
        "{\"data\":[{\"handle\":\"%s\",\"status\":\"%s\",\"errors_total_count\":%" PRId64
        ",\"errors\":%s,\"warnings_total_count\":0,\"warnings\":[]",
        batch->handle, status, batch->error_count, batch->applied ? batch->errors : "[]");
    if (with_ids != NULL && graph_value_in(with_ids, "true|1"))
        (void)buffer_printf(&call->x->answer, ",\"ids_of_invalid_requests\":%s", batch->invalid);
    (void)buffer_append_string(&call->x->answer, "}]}");
}
