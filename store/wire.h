/*
 * Reads single fields out of a packed protobuf message, without unpacking it: one pass over its top
 * level, bounded by its length, nothing allocated.
 */
#ifndef STORE_WIRE_H
#define STORE_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "store/key.h"

/* Fields wanted in one pass, at most. */
#define STORE_WIRE_FIELDS_MAX 32

/* The kind of a scalar field's values. False for messages, floats and repeated fields. */
bool store__wire_kind(const ProtobufCFieldDescriptor *field, enum store_kind *ret_kind);

/*
 * Finds the values of `fields` (scalars, in any order) in `packed`: the last occurrence counts, an
 * absent one is 0 or empty. ret_values[i] is fields[i]'s; texts point into `packed`. False if the
 * top level is not well formed: a broken tag or length, a group, a wanted field of a wrong wire
 * type.
 */
bool store__wire_extract(struct span packed, const ProtobufCFieldDescriptor *const *fields,
                         size_t count, struct store_value *ret_values)
    __attribute__((warn_unused_result));

/*
 * Whether `packed` could be a message of this type as far as its top level shows: well formed,
 * known fields with their own wire types, strings without NUL and in UTF-8. What must hold before
 * it is kept.
 */
bool store__wire_valid(struct span packed, const ProtobufCMessageDescriptor *descriptor)
    __attribute__((warn_unused_result));

#endif
