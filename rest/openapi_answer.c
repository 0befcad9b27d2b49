/*
 * What a route answers: its success, and every error of the contract that it may meet, by HTTP
 * status. A status with one code is a component of that code's name.
 */
#include <stdlib.h>

#include "rest/openapi_internal.h"

#define ERROR_SCHEMA "Error"
#define DETAILS_SCHEMA "ErrorDetails"

/* --- headers --- */

struct header_text {
    const char *name; /* of the component */
    const char *header;
    const char *description;
    const char *type;
};

static const struct header_text header_texts[OPENAPI__HEADER_COUNT] = {
    [OPENAPI__HEADER_REQUEST_ID] = {"RequestId", "X-Request-Id",
                                    "The request's id: the caller's own, or a new one.", "string"},
    [OPENAPI__HEADER_ETAG] = {"ETag", "ETag",
                              "Changes whenever the answer would. For If-None-Match.", "string"},
    [OPENAPI__HEADER_CACHE_CONTROL] = {"CacheControl", "Cache-Control",
                                       "`private, no-cache`: may be kept, and is to be asked for "
                                       "again with If-None-Match.",
                                       "string"},
    [OPENAPI__HEADER_LOCATION] = {"Location", "Location", "Where the browser goes.", "string"},
    [OPENAPI__HEADER_SET_COOKIE] = {"SetCookie", "Set-Cookie",
                                    "The session cookie `" HEADER_SESSION_COOKIE
                                    "`: a new one, or cleared.",
                                    "string"},
    [OPENAPI__HEADER_RETRY_AFTER] = {"RetryAfter", "Retry-After", "Seconds to wait.", "integer"},
    [OPENAPI__HEADER_DISPOSITION] = {"ContentDisposition", "Content-Disposition",
                                     "The name of the file to save it as.", "string"},
};

static void want_header(struct openapi__document *document, enum openapi__header header)
{
    document->wanted_headers[header] = true;
    openapi__ref(document, header_texts[header].header, "headers", header_texts[header].name);
}

static void write_headers(struct openapi__document *document)
{
    openapi__open(document, "headers");
    for (size_t i = 0; i < OPENAPI__HEADER_COUNT; i++) {
        if (!document->wanted_headers[i])
            continue;
        openapi__open(document, header_texts[i].name);
        openapi__text(document, "description", header_texts[i].description);
        openapi__open(document, "schema");
        openapi__text(document, "type", header_texts[i].type);
        openapi__close(document);
        openapi__close(document);
    }
    openapi__close(document);
}

/* --- errors --- */

static uint64_t bit_of(Lotcast__V1__Reason reason)
{
    return (uint64_t)1 << (unsigned)reason;
}

static unsigned reason_count(void)
{
    unsigned count = lotcast__v1__reason__descriptor.n_values;
    return count < OPENAPI__REASONS_MAX ? count : OPENAPI__REASONS_MAX;
}

static bool is_single(uint64_t set)
{
    return (set & (set - 1)) == 0;
}

/* The members of `set` that have the HTTP status. */
static uint64_t with_status(uint64_t set, int status)
{
    uint64_t found = 0;
    for (unsigned i = 1; i < reason_count(); i++) {
        Lotcast__V1__Reason reason = (Lotcast__V1__Reason)i;
        if ((set & bit_of(reason)) != 0 && rpc_reason_get(reason)->http_status == status)
            found |= bit_of(reason);
    }
    return found;
}

static const char *reason_comment(const struct openapi__document *document,
                                  Lotcast__V1__Reason reason)
{
    const Google__Protobuf__FileDescriptorSet *set =
        registry_descriptor_set(document->options->registry);
    for (size_t i = 0; i < set->n_file; i++) {
        for (size_t j = 0; j < set->file[i]->n_enum_type; j++) {
            const Google__Protobuf__EnumDescriptorProto *enumeration = set->file[i]->enum_type[j];
            if (strcmp(enumeration->name, "Reason") != 0)
                continue;
            for (size_t k = 0; k < enumeration->n_value; k++) {
                if (enumeration->value[k]->number == (int32_t)reason)
                    return openapi__comment(document, enumeration->value[k]);
            }
        }
    }
    return NULL;
}

/* `CODE`: what it means. */
static const char *describe(struct openapi__document *document, Lotcast__V1__Reason reason)
{
    const struct rpc_reason *row = rpc_reason_get(reason);
    const char *comment = reason_comment(document, reason);
    return openapi__format(document, "`%s`: %s", row->name,
                           comment == NULL ? row->message : comment);
}

static const char *describe_set(struct openapi__document *document, uint64_t set)
{
    const char *text = "";
    for (unsigned i = 1; i < reason_count(); i++) {
        Lotcast__V1__Reason reason = (Lotcast__V1__Reason)i;
        if ((set & bit_of(reason)) == 0)
            continue;
        const char *one = describe(document, reason);
        text = is_single(set) ? one : openapi__format(document, "%s- %s\n", text, one);
    }
    return text;
}

static const char *find_details(const struct registry_method *method, Lotcast__V1__Reason reason)
{
    for (size_t i = 0; method != NULL && i < method->rules->n_error_examples; i++) {
        if (method->rules->error_examples[i]->reason == reason)
            return method->rules->error_examples[i]->details;
    }
    return NULL;
}

static bool has_details(const struct registry_method *method, uint64_t set)
{
    for (unsigned i = 1; i < reason_count(); i++) {
        Lotcast__V1__Reason reason = (Lotcast__V1__Reason)i;
        if ((set & bit_of(reason)) != 0 && find_details(method, reason) != NULL)
            return true;
    }
    return false;
}

/* {"summary": …, "value": an error} */
static void write_example(struct openapi__document *document, Lotcast__V1__Reason reason,
                          const char *details)
{
    const struct rpc_reason *row = rpc_reason_get(reason);
    size_t position = 0;
    openapi__open(document, row->name);
    openapi__open(document, "value");
    openapi__open(document, "error");
    openapi__text(document, "code", row->name);
    openapi__text(document, "message", row->message);
    if (details != NULL && !json_text_check(span_of_string(details), &position) &&
        document->code == RPC_OK)
        document->code = rpc_status_set(document->status, RPC_FAILED_PRECONDITION,
                                        "the details of an example of %s are not JSON", row->name);
    if (details != NULL)
        openapi__raw(document, "details", span_of_string(details));
    openapi__close(document);
    openapi__close(document);
    openapi__close(document);
}

static void write_error_examples(struct openapi__document *document, uint64_t set,
                                 const struct registry_method *method)
{
    openapi__open(document, "examples");
    for (unsigned i = 1; i < reason_count(); i++) {
        Lotcast__V1__Reason reason = (Lotcast__V1__Reason)i;
        const char *details = find_details(method, reason);
        if ((set & bit_of(reason)) == 0)
            continue;
        if (details != NULL) {
            write_example(document, reason, details);
            continue;
        }
        document->wanted_examples |= bit_of(reason);
        openapi__ref(document, rpc_reason_get(reason)->name, "examples",
                     rpc_reason_get(reason)->name);
    }
    openapi__close(document);
}

/* The members of the schema of errors whose code is one of the set. */
static void write_error_schema(struct openapi__document *document, uint64_t set)
{
    openapi__text(document, "type", "object");
    openapi__open(document, "properties");
    openapi__open(document, "error");
    openapi__text(document, "type", "object");
    openapi__open(document, "properties");
    openapi__open(document, "code");
    openapi__text(document, "type", "string");
    openapi__open_list(document, "enum");
    for (unsigned i = 1; i < reason_count(); i++) {
        if ((set & bit_of((Lotcast__V1__Reason)i)) != 0)
            openapi__text(document, NULL, rpc_reason_get((Lotcast__V1__Reason)i)->name);
    }
    openapi__close_list(document);
    openapi__close(document);
    openapi__open(document, "message");
    openapi__text(document, "type", "string");
    openapi__close(document);
    openapi__ref(document, "details", "schemas", DETAILS_SCHEMA);
    openapi__close(document);
    openapi__open_list(document, "required");
    openapi__text(document, NULL, "code");
    openapi__text(document, NULL, "message");
    openapi__close_list(document);
    openapi__close(document);
    openapi__close(document);
    openapi__open_list(document, "required");
    openapi__text(document, NULL, "error");
    openapi__close_list(document);
}

static void write_error_response(struct openapi__document *document, const char *key, uint64_t set,
                                 const struct registry_method *method)
{
    openapi__open(document, key);
    openapi__text(document, "description", describe_set(document, set));
    openapi__open(document, "headers");
    want_header(document, OPENAPI__HEADER_REQUEST_ID);
    if (with_status(set, 429) != 0 || with_status(set, 503) != 0)
        want_header(document, OPENAPI__HEADER_RETRY_AFTER);
    if ((set & bit_of(LOTCAST__V1__REASON__REASON_AUTH_REQUIRED)) != 0)
        want_header(document, OPENAPI__HEADER_SET_COOKIE);
    openapi__close(document);
    openapi__open(document, "content");
    openapi__open(document, "application/json");
    openapi__open(document, "schema");
    write_error_schema(document, set);
    openapi__close(document);
    write_error_examples(document, set, method);
    openapi__close(document);
    openapi__close(document);
    openapi__close(document);
}

/* The errors of one HTTP status. */
static void write_status(struct openapi__document *document, int status, uint64_t set,
                         const struct registry_method *method)
{
    const char *key = openapi__format(document, "%d", status);
    if (!is_single(set) || has_details(method, set)) {
        write_error_response(document, key, set, method);
        return;
    }
    for (unsigned i = 1; i < reason_count(); i++) {
        if (set == bit_of((Lotcast__V1__Reason)i))
            openapi__ref(document, key, "responses", rpc_reason_get((Lotcast__V1__Reason)i)->name);
    }
    document->wanted_responses |= set;
}

static void write_errors(struct openapi__document *document, uint64_t set,
                         const struct registry_method *method)
{
    for (int status = 400; status < 600; status++) {
        uint64_t of_status = with_status(set, status);
        if (of_status != 0)
            write_status(document, status, of_status, method);
    }
}

/* --- successes --- */

/* An example of an answer as it is really printed, all its fields there. */
static void write_answer_example(struct openapi__document *document,
                                 const struct registry_message *message, bool accepted)
{
    struct span example = span_of_string(accepted && message->rules->accepted_example[0] != '\0'
                                             ? message->rules->accepted_example
                                             : message->rules->example);
    struct rpc_status why;
    struct buffer printed;
    ProtobufCMessage *parsed = arena_alloc(&document->arena, message->descriptor->sizeof_message);
    if (example.len == 0 || parsed == NULL)
        return;
    protobuf_c_message_init(message->descriptor, parsed);
    buffer_init(&printed, OPENAPI__BYTES_MAX);
    enum rpc_code code =
        json_parse(document->options->codec, example, &document->arena, parsed, &why);
    if (code == RPC_OK)
        code = json_print(document->options->codec, parsed, &printed, &why);
    if (code == RPC_OK)
        openapi__raw(document, "example", buffer_span(&printed));
    else if (document->code == RPC_OK)
        document->code = rpc_status_set(document->status, RPC_FAILED_PRECONDITION,
                                        "the example of %s is none: %s %s", message->name,
                                        why.message, why.field);
    buffer_fini(&printed);
}

static void write_raw_content(struct openapi__document *document, const char *type,
                              const char *example)
{
    openapi__open(document, "content");
    openapi__open(document, type[0] == '\0' ? "application/octet-stream" : type);
    openapi__open(document, "schema");
    openapi__text(document, "type", "string");
    openapi__close(document);
    if (example[0] != '\0')
        openapi__text(document, "example", example);
    openapi__close(document);
    openapi__close(document);
}

static void write_content(struct openapi__document *document, const struct route *route,
                          bool accepted)
{
    const struct registry_method *method = route->method;
    if (route->raw_answer) {
        write_raw_content(document, method->rules->answer_type, method->rules->answer_example);
        return;
    }
    openapi__open(document, "content");
    openapi__open(document, "application/json");
    if (route->answer != NULL) {
        openapi__field_schema(document, "schema", route->answer, OPENAPI__ANSWER);
    } else {
        openapi__schema_ref(document, "schema", method->output, OPENAPI__ANSWER, NULL);
        write_answer_example(document, method->output, accepted);
    }
    openapi__close(document);
    openapi__close(document);
}

static void write_success(struct openapi__document *document, const struct route *route,
                          const char *status, const char *description)
{
    const struct registry_method *method = route->method;
    openapi__open(document, status);
    openapi__text(document, "description", description);
    openapi__open(document, "headers");
    want_header(document, OPENAPI__HEADER_REQUEST_ID);
    if (method->rules->cacheable) {
        want_header(document, OPENAPI__HEADER_ETAG);
        want_header(document, OPENAPI__HEADER_CACHE_CONTROL);
    }
    if (method->rules->session != LOTCAST__V1__SESSION_EFFECT__SESSION_EFFECT_UNSPECIFIED)
        want_header(document, OPENAPI__HEADER_SET_COOKIE);
    if (route->attachment != NULL)
        want_header(document, OPENAPI__HEADER_DISPOSITION);
    openapi__close(document);
    write_content(document, route, strcmp(status, "202") == 0);
    openapi__close(document);
}

static void write_redirect(struct openapi__document *document)
{
    openapi__open(document, "302");
    openapi__text(document, "description", "The browser is sent on.");
    openapi__open(document, "headers");
    want_header(document, OPENAPI__HEADER_REQUEST_ID);
    want_header(document, OPENAPI__HEADER_LOCATION);
    openapi__close(document);
    openapi__close(document);
    /* Clients that follow redirects by themselves, proxies too, see only where they end. */
    openapi__open(document, "default");
    openapi__text(document, "description",
                  "What the browser finds where it was sent, for clients that follow redirects by "
                  "themselves; any other answer is an error.");
    openapi__open(document, "content");
    openapi__open(document, "application/json");
    openapi__ref(document, "schema", "schemas", ERROR_SCHEMA);
    openapi__close(document);
    openapi__open(document, "text/html");
    openapi__open(document, "schema");
    openapi__text(document, "type", "string");
    openapi__close(document);
    openapi__close(document);
    openapi__close(document);
    openapi__close(document);
}

static void write_unchanged(struct openapi__document *document)
{
    openapi__open(document, "304");
    openapi__text(document, "description", "What the client has is still right. No body.");
    openapi__open(document, "headers");
    want_header(document, OPENAPI__HEADER_REQUEST_ID);
    want_header(document, OPENAPI__HEADER_ETAG);
    want_header(document, OPENAPI__HEADER_CACHE_CONTROL);
    openapi__close(document);
    openapi__close(document);
}

static const char *success_text(struct openapi__document *document,
                                const struct registry_method *method)
{
    const char *comment = openapi__comment(document, method->output->proto);
    return comment == NULL ? "Success." : comment;
}

/* What the method may answer, and the facade for it: a browser that navigates to the path of a page
 * finds none where the frontend is left out. */
static uint64_t errors_of(struct openapi__document *document, const struct route *route)
{
    struct path path;
    uint64_t errors = 0;
    for (unsigned i = 1; i < reason_count(); i++) {
        if (registry_method_may_answer(route->method, (Lotcast__V1__Reason)i))
            errors |= bit_of((Lotcast__V1__Reason)i);
    }
    size_t len = strcspn(route->template, "{");
    if (len > 1 && route->template[len - 1] == '/') /* before a variable */
        len--;
    if (strcmp(route->verb, "GET") == 0 &&
        path_split(span_of(route->template, len), &document->arena, &path) && path_is_page(&path))
        errors |= bit_of(LOTCAST__V1__REASON__REASON_NOT_FOUND);
    return errors;
}

void openapi__write_answers(struct openapi__document *document, const struct route *route)
{
    const struct registry_method *method = route->method;
    openapi__open(document, "responses");
    if (route->redirect != NULL) {
        write_redirect(document);
    } else {
        write_success(document, route, "200", success_text(document, method));
        if (route->accepted != NULL)
            write_success(document, route, "202", "It goes on; what is there so far.");
    }
    if (method->rules->cacheable)
        write_unchanged(document);
    write_errors(document, errors_of(document, route), method);
    openapi__close(document);
}

void openapi__write_page_answers(struct openapi__document *document,
                                 const struct openapi_page *page)
{
    uint64_t errors = 0;
    openapi__open(document, "responses");
    openapi__open(document, "200");
    openapi__text(document, "description", page->summary);
    openapi__open(document, "headers");
    want_header(document, OPENAPI__HEADER_REQUEST_ID);
    if (page->cacheable)
        want_header(document, OPENAPI__HEADER_ETAG);
    openapi__close(document);
    openapi__open(document, "content");
    openapi__open(document, page->media_type);
    openapi__open(document, "schema");
    openapi__text(document, "type", page->is_json ? "object" : "string");
    openapi__close(document);
    openapi__close(document);
    openapi__close(document);
    openapi__close(document);
    if (page->cacheable)
        write_unchanged(document);
    for (unsigned i = 1; i < reason_count(); i++) {
        if (rpc_reason_get((Lotcast__V1__Reason)i)->scope == RPC_REASON_HTTP)
            errors |= bit_of((Lotcast__V1__Reason)i);
    }
    if (page->may_be_unavailable)
        errors |= bit_of(LOTCAST__V1__REASON__REASON_UNAVAILABLE);
    write_errors(document, errors, NULL);
    openapi__close(document);
}

/* --- components --- */

void openapi__write_answer_components(struct openapi__document *document)
{
    openapi__open(document, "responses");
    for (unsigned i = 1; i < reason_count(); i++) {
        uint64_t bit = bit_of((Lotcast__V1__Reason)i);
        if ((document->wanted_responses & bit) != 0)
            write_error_response(document, rpc_reason_get((Lotcast__V1__Reason)i)->name, bit, NULL);
    }
    openapi__close(document);
    openapi__open(document, "examples");
    for (unsigned i = 1; i < reason_count(); i++) {
        if ((document->wanted_examples & bit_of((Lotcast__V1__Reason)i)) != 0)
            write_example(document, (Lotcast__V1__Reason)i, NULL);
    }
    openapi__close(document);
    write_headers(document);
}

static void write_property(struct openapi__document *document, const char *name, const char *type,
                           const char *description)
{
    openapi__open(document, name);
    openapi__text(document, "type", type);
    openapi__text(document, "description", description);
    openapi__close(document);
}

void openapi__write_error_schemas(struct openapi__document *document)
{
    openapi__open(document, ERROR_SCHEMA);
    openapi__text(document, "description",
                  "What every answer that is no success says: a code for programs, a message for "
                  "people.");
    write_error_schema(document, UINT64_MAX);
    openapi__close(document);
    openapi__open(document, DETAILS_SCHEMA);
    openapi__text(document, "type", "object");
    openapi__text(document, "description", "What an error is about, where there is more to say.");
    openapi__open(document, "properties");
    write_property(document, "field", "string",
                   "The wrong field or parameter: `targeting.countries[0]`.");
    write_property(document, "position", "integer",
                   "Offset in the body, in bytes, where it stops being JSON.");
    write_property(document, "upstream", "string", "Who did not answer: meta, stripe or website.");
    write_property(document, "campaignId", "string", "Meta's id of the campaign that there is.");
    openapi__close(document);
    openapi__close(document);
}
