/*
 * Request targets: the one path that is routed and authorised, length-counted, and the query.
 */
#ifndef REST_PATH_H
#define REST_PATH_H

#include <stdbool.h>

#include "rpc/base/arena.h"
#include "rpc/base/span.h"

/* Of one target. */
#define PATH_SEGMENTS_MAX 24
#define QUERY_PARAMETERS_MAX 64

struct path {
    size_t count;
    struct span segments[PATH_SEGMENTS_MAX]; /* decoded */
};

/*
 * Splits `/a/b` at its slashes, then decodes each segment, in the arena where it must. False for
 * what no route of ours can mean, so that it is not found: an empty segment (`//`, a slash at the
 * end), `.` and `..` in any spelling, a slash, a control character or NUL behind a percent sign,
 * bad escapes, bad UTF-8, too many segments. "/" has no segments.
 */
bool path_split(struct span raw, struct arena *arena, struct path *ret_path);

struct query_parameter {
    struct span field; /* filters.inStock, of filters[inStock] */
    struct span value;
};

struct query {
    size_t count;
    struct query_parameter parameters[QUERY_PARAMETERS_MAX];
};

enum query_fault {
    QUERY_OK,
    QUERY_MALFORMED, /* ret_field: the parameter's name, as far as it could be read */
    QUERY_REPEATED,  /* likewise */
    QUERY_EXHAUSTED, /* the arena is full */
};

/*
 * Parses `a=1&filters[inStock]=true` (application/x-www-form-urlencoded, brackets as they are or
 * percent-encoded). Names and values are decoded into the arena. `ret_field` is set on a fault
 * alone.
 */
enum query_fault query_parse(struct span raw, struct arena *arena, struct query *ret_query,
                             struct span *ret_field);

#endif
