#include <stdarg.h>
#include <stdio.h>

#include "rest/openapi_internal.h"

static void append(void *out, const char *text, size_t len)
{
    (void)buffer_append(out, text, len); /* the buffer remembers */
}

static void *allocate(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

/* Nothing that yajl allocates grows when it only prints. */
static void *reallocate(void *arena, void *old, size_t size)
{
    (void)old;
    return arena_alloc(arena, size);
}

static void release(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

bool openapi__json_begin(struct openapi__document *document)
{
    const yajl_alloc_funcs functions = {allocate, reallocate, release, &document->arena};
    document->json = yajl_gen_alloc(&functions);
    return document->json != NULL &&
           yajl_gen_config(document->json, yajl_gen_print_callback, append, document->out) != 0;
}

void openapi__json_end(struct openapi__document *document)
{
    if (document->json != NULL)
        yajl_gen_free(document->json);
}

void openapi__out_of_memory(struct openapi__document *document)
{
    if (document->code == RPC_OK)
        document->code = rpc_status_set(document->status, RPC_RESOURCE_EXHAUSTED,
                                        "out of memory for the API's document");
}

static void check(struct openapi__document *document, yajl_gen_status result)
{
    if (result != yajl_gen_status_ok && document->code == RPC_OK)
        document->code = rpc_status_set(document->status, RPC_INTERNAL,
                                        "the API's document cannot be written (yajl: %d)", result);
}

static void write_string(struct openapi__document *document, const char *text)
{
    check(document, yajl_gen_string(document->json, (const unsigned char *)text, strlen(text)));
}

static void write_key(struct openapi__document *document, const char *key)
{
    if (key != NULL)
        write_string(document, key);
}

void openapi__open(struct openapi__document *document, const char *key)
{
    write_key(document, key);
    check(document, yajl_gen_map_open(document->json));
}

void openapi__close(struct openapi__document *document)
{
    check(document, yajl_gen_map_close(document->json));
}

void openapi__open_list(struct openapi__document *document, const char *key)
{
    write_key(document, key);
    check(document, yajl_gen_array_open(document->json));
}

void openapi__close_list(struct openapi__document *document)
{
    check(document, yajl_gen_array_close(document->json));
}

void openapi__text(struct openapi__document *document, const char *key, const char *text)
{
    write_key(document, key);
    write_string(document, text);
}

void openapi__bool(struct openapi__document *document, const char *key, bool value)
{
    write_key(document, key);
    check(document, yajl_gen_bool(document->json, value));
}

void openapi__null(struct openapi__document *document, const char *key)
{
    write_key(document, key);
    check(document, yajl_gen_null(document->json));
}

/* yajl writes the text of a number as it is. */
void openapi__raw(struct openapi__document *document, const char *key, struct span json)
{
    write_key(document, key);
    check(document, yajl_gen_number(document->json, (const char *)json.data, json.len));
}

void openapi__ref(struct openapi__document *document, const char *key, const char *kind,
                  const char *name)
{
    openapi__open(document, key);
    openapi__text(document, "$ref", openapi__format(document, "#/components/%s/%s", kind, name));
    openapi__close(document);
}

const char *openapi__format(struct openapi__document *document, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = len < 0 ? NULL : arena_alloc(&document->arena, (size_t)len + 1);
    if (text == NULL) {
        openapi__out_of_memory(document);
        return "";
    }
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)len + 1, format, arguments);
    va_end(arguments);
    return text;
}
