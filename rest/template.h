/*
 * Path templates of google.api.HttpRule, their syntax alone:
 *
 *     Template = "/" [ Segments [ Verb ] ] ;
 *     Segments = Segment { "/" Segment } ;
 *     Segment  = "*" | "**" | LITERAL | Variable ;
 *     Variable = "{" FieldPath [ "=" Segments ] "}" ;
 *     FieldPath = IDENT { "." IDENT } ;
 *     Verb     = ":" LITERAL ;
 *
 * A literal is written decoded, in RFC 3986's pchar less `*`, `:` and `%`; `**` stands at the end.
 */
#ifndef REST_TEMPLATE_H
#define REST_TEMPLATE_H

#include <stdbool.h>

#include "rpc/base/span.h"

#define TEMPLATE_SEGMENTS_MAX 24
#define TEMPLATE_VARIABLES_MAX 8

enum template_kind {
    TEMPLATE_LITERAL,
    TEMPLATE_ONE,  /* `*`: any one segment */
    TEMPLATE_REST, /* `**`: all that is left, also nothing */
};

struct template_segment {
    enum template_kind kind;
    struct span literal;
};

struct template_variable {
    struct span field_path; /* in names of the .proto */
    size_t first;           /* of the template's segments */
    size_t count;
};

/* Its spans are parts of the text. */
struct template
{
    size_t segment_count;
    struct template_segment segments[TEMPLATE_SEGMENTS_MAX];
    size_t variable_count;
    struct template_variable variables[TEMPLATE_VARIABLES_MAX];
    struct span verb; /* without its colon; empty: none */
};

/* NULL where the text is a template; else what is wrong with it, a static text. */
const char *template_parse(struct span text, struct template *ret_template)
    __attribute__((warn_unused_result));

#endif
