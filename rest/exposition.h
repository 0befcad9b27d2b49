/*
 * Prometheus' text format, as metrics_print_process writes it: several texts made one. Pure.
 */
#ifndef REST_EXPOSITION_H
#define REST_EXPOSITION_H

#include <stdbool.h>

#include "rpc/base/arena.h"
#include "rpc/base/buffer.h"
#include "rpc/base/span.h"

/*
 * Appends the families of all texts in the order of their names, each with its HELP and TYPE once,
 * as the first text that has it says, and the samples of all behind. What is before a text's first
 * HELP or behind another comment than a family's TYPE, and a family that another text says is of
 * another type, are left out. False: the arena or
 * the buffer is full.
 */
bool exposition_merge(const struct span *texts, size_t count, struct arena *arena,
                      struct buffer *out);

#endif
