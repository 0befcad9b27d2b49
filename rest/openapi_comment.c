/*
 * The comments of the .proto files: source_code_info names a declaration by a path of field numbers
 * and indexes in its FileDescriptorProto. They are resolved once and kept by the declaration's
 * address; only the look-up depends on addresses, never the order of what is written.
 */
#include <stdlib.h>

#include "rest/openapi_internal.h"

/* Field numbers in descriptor.proto. */
enum {
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    MESSAGE_FIELD = 2,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    ENUM_VALUE = 2,
    SERVICE_METHOD = 2,
};

/* What a path leads through; one of them is not NULL. */
struct place {
    const Google__Protobuf__FileDescriptorProto *file;
    const Google__Protobuf__DescriptorProto *message;
    const Google__Protobuf__EnumDescriptorProto *enumeration;
    const Google__Protobuf__ServiceDescriptorProto *service;
    const void *leaf; /* a field, a value, a method */
};

static void step_file(const Google__Protobuf__FileDescriptorProto *file, int32_t number,
                      size_t index, struct place *next)
{
    if (number == FILE_MESSAGE && index < file->n_message_type)
        next->message = file->message_type[index];
    if (number == FILE_ENUM && index < file->n_enum_type)
        next->enumeration = file->enum_type[index];
    if (number == FILE_SERVICE && index < file->n_service)
        next->service = file->service[index];
}

static void step_message(const Google__Protobuf__DescriptorProto *message, int32_t number,
                         size_t index, struct place *next)
{
    if (number == MESSAGE_FIELD && index < message->n_field)
        next->leaf = message->field[index];
    if (number == MESSAGE_NESTED && index < message->n_nested_type)
        next->message = message->nested_type[index];
    if (number == MESSAGE_ENUM && index < message->n_enum_type)
        next->enumeration = message->enum_type[index];
}

static struct place step(const struct place *place, int32_t number, int32_t index)
{
    struct place next = {0};
    size_t at = (size_t)index;
    if (index < 0)
        return next;
    if (place->file != NULL)
        step_file(place->file, number, at, &next);
    else if (place->message != NULL)
        step_message(place->message, number, at, &next);
    else if (place->enumeration != NULL && number == ENUM_VALUE && at < place->enumeration->n_value)
        next.leaf = place->enumeration->value[at];
    else if (place->service != NULL && number == SERVICE_METHOD && at < place->service->n_method)
        next.leaf = place->service->method[at];
    return next;
}

/* The declaration at a path; NULL for a path to anything else. */
static const void *resolve(const Google__Protobuf__FileDescriptorProto *file,
                           const Google__Protobuf__SourceCodeInfo__Location *location)
{
    struct place place = {.file = file};
    if (location->n_path == 0 || location->n_path % 2 != 0)
        return NULL;
    for (size_t i = 0; i < location->n_path; i += 2)
        place = step(&place, location->path[i], location->path[i + 1]);
    if (place.message != NULL)
        return place.message;
    if (place.enumeration != NULL)
        return place.enumeration;
    return place.service != NULL ? (const void *)place.service : place.leaf;
}

/* The comment's lines as one, for readers that wrap by themselves; an empty line stays. */
static const char *join_lines(struct arena *arena, const char *text)
{
    size_t len = strlen(text), used = 0;
    char *joined = arena_alloc(arena, len + 1);
    if (joined == NULL)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        bool gap = text[i] == '\n' || text[i] == ' ';
        bool paragraph = text[i] == '\n' && i > 0 && text[i - 1] == '\n' && used > 0;
        if (paragraph) {
            while (used > 0 && joined[used - 1] == ' ')
                used--;
            joined[used++] = '\n';
            if (used > 1 && joined[used - 2] != '\n')
                joined[used++] = '\n';
        } else if (!gap) {
            joined[used++] = text[i];
        } else if (used > 0 && joined[used - 1] != ' ' && joined[used - 1] != '\n') {
            joined[used++] = ' ';
        }
    }
    while (used > 0 && (joined[used - 1] == ' ' || joined[used - 1] == '\n'))
        used--;
    joined[used] = '\0';
    return joined;
}

static int compare(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t)((const struct openapi__comment *)a)->declaration;
    uintptr_t right = (uintptr_t)((const struct openapi__comment *)b)->declaration;
    return (left > right) - (left < right);
}

static bool add_file(const Google__Protobuf__FileDescriptorProto *file, struct arena *arena,
                     struct openapi__comments *comments)
{
    for (size_t i = 0; file->source_code_info != NULL && i < file->source_code_info->n_location;
         i++) {
        const Google__Protobuf__SourceCodeInfo__Location *location =
            file->source_code_info->location[i];
        const void *declaration =
            location->leading_comments == NULL ? NULL : resolve(file, location);
        if (declaration == NULL)
            continue;
        const char *text = join_lines(arena, location->leading_comments);
        if (text == NULL)
            return false;
        comments->items[comments->count++] = (struct openapi__comment){declaration, text};
    }
    return true;
}

bool openapi__comments_read(const Google__Protobuf__FileDescriptorSet *set, struct arena *arena,
                            struct openapi__comments *ret_comments)
{
    struct openapi__comments comments = {0};
    size_t most = 1;
    for (size_t i = 0; i < set->n_file; i++) {
        const Google__Protobuf__SourceCodeInfo *info = set->file[i]->source_code_info;
        for (size_t j = 0; info != NULL && j < info->n_location; j++)
            most += info->location[j]->leading_comments != NULL;
    }
    comments.items = arena_calloc(arena, most, sizeof comments.items[0]);
    if (comments.items == NULL)
        return false;
    for (size_t i = 0; i < set->n_file; i++) {
        if (!add_file(set->file[i], arena, &comments))
            return false;
    }
    qsort(comments.items, comments.count, sizeof comments.items[0], compare);
    *ret_comments = comments;
    return true;
}

const char *openapi__comment(const struct openapi__document *document, const void *declaration)
{
    const struct openapi__comment key = {declaration, NULL};
    const struct openapi__comment *found =
        bsearch(&key, document->comments.items, document->comments.count,
                sizeof document->comments.items[0], compare);
    return found == NULL || found->text[0] == '\0' ? NULL : found->text;
}

const char *openapi__first_sentence(struct openapi__document *document, const char *text)
{
    size_t end = 0;
    while (text[end] != '\0' && text[end] != '\n' &&
           !(text[end] == '.' &&
             (text[end + 1] == ' ' || text[end + 1] == '\0' || text[end + 1] == '\n')))
        end++;
    return openapi__format(document, "%.*s", (int)end, text);
}
