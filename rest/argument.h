/*
 * What a value of a request may be, in words: for whoever sent one that is refused.
 */
#ifndef REST_ARGUMENT_H
#define REST_ARGUMENT_H

#include "rpc/base/arena.h"
#include "rpc/registry.h"

/*
 * A sentence on the field of an error (status.h: `filters.status`, `targeting.countries[0]`, in
 * names of JSON) of a request with that message, of what proto/ says of it: "limit must be a whole
 * number from 1 to 200". NULL: nothing is said of it that its type would not, or the arena is full.
 */
const char *argument_describe(const struct registry_message *input, const char *field,
                              struct arena *arena);

#endif
