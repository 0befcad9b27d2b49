/*
 * Request targets: the one path that is routed and authorised, length-counted, and the query.
 */
#ifndef REST_PATH_H
#define REST_PATH_H

#include <stdbool.h>

#include "rpc/base/arena.h"
#include "rpc/base/span.h"

/* Of one target. */
#define QUERY_PARAMETERS_MAX 512

struct path_segment {
    struct span raw;  /* as it was sent, without its slashes */
    struct span text; /* decoded; a %2F is a slash here */
};

struct path {
    size_t count;
    struct path_segment *segments; /* in the arena */
};

/*
 * Splits `/a/b` at its slashes, then decodes each segment, in the arena where it must. False for
 * what no route of ours can mean, so that it is not found: an empty segment (`//`, a slash at the
 * end), `.` and `..` in any spelling, a NUL behind a percent sign, a backslash that is not, bad
 * escapes, bad UTF-8. "/" has no segments.
 */
bool path_split(struct span raw, struct arena *arena, struct path *ret_path);

/*
 * What stands before and behind the last colon of the last segment, where that is a colon and no
 * %3A: the head may be empty. False: there is none, or nothing behind it. What is returned is as
 * long-lived as the path.
 */
bool path_find_verb(const struct path *path, struct path_segment *ret_head, struct span *ret_verb);

/* Whether a segment would be taken as a part of another path: `.`, `..`. */
bool path_is_dots(struct span text);

/*
 * The segments from `first` to before `end` as one text, decoded but for each %2F, which stays as
 * it was sent. False: the arena is full.
 */
bool path_join(const struct path *path, size_t first, size_t end, struct arena *arena,
               struct span *ret_text);

/* Whether the path is a page of the frontend: /, /login, /signup, below /onboarding, /app and
 * /admin and below these; of plain segments alone, so that no odd spelling of another path is one.
 * It may be an API's as well. */
bool path_is_page(const struct path *path);

struct query_parameter {
    struct span field; /* filters.inStock, of filters[inStock] or filters.inStock */
    struct span value;
};

struct query {
    size_t count;
    struct query_parameter parameters[QUERY_PARAMETERS_MAX]; /* in their order; names may repeat */
};

enum query_fault {
    QUERY_OK,
    QUERY_MALFORMED, /* ret_field: the parameter's name, as far as it could be read */
    QUERY_EXHAUSTED, /* the arena is full */
};

/*
 * Parses `a=1&filters[inStock]=true&b.c=2` (application/x-www-form-urlencoded, brackets and dots as
 * they are or percent-encoded). Names and values are decoded into the arena. `ret_field` is set on
 * a fault alone.
 */
enum query_fault query_parse(struct span raw, struct arena *arena, struct query *ret_query,
                             struct span *ret_field);

#endif
