/*
 * The insides of the OpenAPI document's maker: openapi.c (the document, its paths), openapi_json.c
 * (writing JSON), openapi_comment.c (the .proto files' comments), openapi_operation.c (what a route
 * takes), openapi_answer.c (what it answers), openapi_schema.c (messages).
 *
 * One struct openapi__document lives for one openapi_write. What is written refers to components
 * (schemas, responses, examples, headers); a reference notes that the component is wanted, and the
 * wanted ones are written at the end: none is left out, none is unused.
 */
#ifndef REST_OPENAPI_INTERNAL_H
#define REST_OPENAPI_INTERNAL_H

#include <yajl/yajl_gen.h>

#include "rest/header.h"
#include "rest/openapi.h"
#include "rpc/base/arena.h"

/* What the maker may take, in bytes: the document of today needs a hundredth of it. */
#define OPENAPI__BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Reasons are numbered below it, so that a set of them is one number. */
#define OPENAPI__REASONS_MAX 64
/* The tag of what is no method. */
#define OPENAPI__PAGES_TAG "Service"

/* A comment and the declaration that it stands before. */
struct openapi__comment {
    const void *declaration; /* a …DescriptorProto of the registry's set */
    const char *text;
};

struct openapi__comments {
    size_t count;
    struct openapi__comment *items; /* by address */
};

/* Requests and answers differ: in what must be there, what may be null, what else may be there. */
enum openapi__role { OPENAPI__REQUEST, OPENAPI__ANSWER };

/* A message that is wanted as a schema. */
struct openapi__schema {
    struct openapi__schema *next; /* in the order in which they were wanted */
    const struct registry_message *message;
    enum openapi__role role;
    const struct route *route; /* whose path variables are left out; NULL: nothing is */
    const char *name;
};

enum openapi__parameter {
    OPENAPI__PARAMETER_REQUEST_ID,
    OPENAPI__PARAMETER_CUSTOMER_ID,
    OPENAPI__PARAMETER_IDEMPOTENCY_KEY,
    OPENAPI__PARAMETER_IF_NONE_MATCH,
    OPENAPI__PARAMETER_COUNT
};

enum openapi__header {
    OPENAPI__HEADER_REQUEST_ID,
    OPENAPI__HEADER_ETAG,
    OPENAPI__HEADER_CACHE_CONTROL,
    OPENAPI__HEADER_LOCATION,
    OPENAPI__HEADER_SET_COOKIE,
    OPENAPI__HEADER_RETRY_AFTER,
    OPENAPI__HEADER_DISPOSITION,
    OPENAPI__HEADER_COUNT
};

struct openapi__document {
    const struct openapi_options *options;
    struct rpc_status *status;
    enum rpc_code code; /* the first failure */
    struct arena arena;
    yajl_gen json;
    struct buffer *out;
    struct openapi__comments comments;
    const struct registry_message **answered; /* messages that are part of an answer */
    size_t answered_count;
    struct openapi__schema *schemas;
    struct openapi__schema **schemas_end;
    uint64_t wanted_responses; /* reasons that are a response of their own */
    uint64_t wanted_examples;  /* reasons */
    bool wanted_parameters[OPENAPI__PARAMETER_COUNT];
    bool wanted_headers[OPENAPI__HEADER_COUNT];
};

void openapi__out_of_memory(struct openapi__document *document);

/* --- openapi_json.c: each writes a member, or with the key NULL an element. Failure is sticky. ---
 */

bool openapi__json_begin(struct openapi__document *document);
void openapi__json_end(struct openapi__document *document);
void openapi__open(struct openapi__document *document, const char *key);
void openapi__close(struct openapi__document *document);
void openapi__open_list(struct openapi__document *document, const char *key);
void openapi__close_list(struct openapi__document *document);
void openapi__text(struct openapi__document *document, const char *key, const char *text);
void openapi__bool(struct openapi__document *document, const char *key, bool value);
void openapi__null(struct openapi__document *document, const char *key);
/* Text that is JSON already. */
void openapi__raw(struct openapi__document *document, const char *key, struct span json);
/* {"$ref": "#/components/KIND/NAME"} */
void openapi__ref(struct openapi__document *document, const char *key, const char *kind,
                  const char *name);
/* Formatted, in the document's arena; "" where it is full, which fails the document. */
const char *openapi__format(struct openapi__document *document, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- openapi_comment.c --- */

/* Reads the comments of all declarations. False: out of memory. */
bool openapi__comments_read(const Google__Protobuf__FileDescriptorSet *set, struct arena *arena,
                            struct openapi__comments *ret_comments);
/* The comment before a declaration, its lines joined; NULL: it has none. */
const char *openapi__comment(const struct openapi__document *document, const void *declaration);
/* The first sentence of a text, without its full stop. */
const char *openapi__first_sentence(struct openapi__document *document, const char *text);

/* --- openapi_schema.c --- */

/* Lists the messages that are part of an answer. */
void openapi__find_answered(struct openapi__document *document);
/* A reference to the schema of a message, which is wanted from now on. */
void openapi__schema_ref(struct openapi__document *document, const char *key,
                         const struct registry_message *message, enum openapi__role role,
                         const struct route *route);
/* The schema of one field's value. */
void openapi__field_schema(struct openapi__document *document, const char *key,
                           const struct registry_field *field, enum openapi__role role);
/* The same of a parameter: text of a URL, so never null. */
void openapi__parameter_schema(struct openapi__document *document, const char *key,
                               const struct registry_field *field);
/* Whether JSON shows the message as a bare value. */
bool openapi__is_scalar(const struct registry_field *field);
/* Whether the text of a URL can be the field's value. */
bool openapi__is_parameter(const struct registry_field *field);
/* All that are wanted. */
void openapi__write_schemas(struct openapi__document *document);

/* --- openapi_operation.c --- */

/* A path as OpenAPI has it: /admin/customers/{id}. */
const char *openapi__path(struct openapi__document *document, const struct route *route);
/* The name that clients call it by. */
const char *openapi__operation_id(struct openapi__document *document, const struct route *route);
void openapi__write_operation(struct openapi__document *document, const struct route *route);
void openapi__write_page(struct openapi__document *document, const struct openapi_page *page);
void openapi__write_parameters(struct openapi__document *document);
/* The service's own name: Auth of lotcast.v1.Auth. */
const char *openapi__short_name(const char *name);

/* --- openapi_answer.c --- */

void openapi__write_answers(struct openapi__document *document, const struct route *route);
void openapi__write_page_answers(struct openapi__document *document,
                                 const struct openapi_page *page);
/* Responses, examples and headers that are wanted, and the schema of errors. */
void openapi__write_answer_components(struct openapi__document *document);
void openapi__write_error_schemas(struct openapi__document *document);

#endif
