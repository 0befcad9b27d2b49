/*
 * Time zones from TZif data (RFC 8536), since libc's own are global to the process and not
 * thread-safe. Pure: the bytes are the caller's to read (rpc/services/zones.h does).
 */
#ifndef RPC_SERVICES_MODEL_ZONE_H
#define RPC_SERVICES_MODEL_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/base/span.h"

/* A zone's name, in bytes with its NUL. */
#define ZONE_NAME_BYTES 64
/* A TZif file at most; the largest of tzdata has 4 KiB. */
#define ZONE_DATA_BYTES_MAX ((size_t)64 * 1024)

struct zone;

/*
 * Whether a name has the form of an IANA zone's (Area/City): letters, digits and -_+ between single
 * slashes. Keeps a path made of it inside the zone directory.
 */
bool zone_name_valid(const char *name);

/* Reads TZif data, version 2 or later. NULL if it is malformed, has leap seconds, or memory is out.
 */
struct zone *zone_create(struct span data);
void zone_destroy(struct zone *zone);

/* Seconds east of UTC at a moment (seconds since 1970-01-01 UTC). NULL is UTC. */
int32_t zone_offset_s(const struct zone *zone, int64_t at_s);
/*
 * The moment at which clocks of the zone show `local_s` (a date and time as if it were UTC). One
 * that they show twice is the first of them; one that they skip is as far behind the gap's begin.
 */
int64_t zone_to_utc_s(const struct zone *zone, int64_t local_s);

#endif
