/*
 * Time. Two clocks: the wall clock, which can be shifted (LOTCAST_CLOCK) so that a test or a demo
 * is at another date, and the monotonic clock, which measures deadlines and is never shifted.
 */
#ifndef RPC_BASE_CLOCK_H
#define RPC_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text of an RFC 3339 UTC time in whole seconds, with its NUL: 2026-02-06T20:00:00Z. */
#define CLOCK_RFC3339_BYTES 21

/*
 * Shifts the wall clock by `offset_ms` in this process. Call once, before threads start; `serve`
 * hands the same offset to every process it starts.
 */
void clock_set_offset_ms(int64_t offset_ms);
int64_t clock_offset_ms(void);

/* Wall-clock time, shifted, in ms since 1970-01-01 UTC. Any thread. */
int64_t clock_now_ms(void);

/* Monotonic time in ms; comparable only within one process. Any thread. */
int64_t clock_mono_ms(void);
/* The same in µs, for measuring. */
int64_t clock_mono_us(void);

/* Parses RFC 3339 in UTC (`Z`), seconds with an optional fraction. False if it is not that. */
bool clock_parse_rfc3339(const char *text, int64_t *ret_ms);
/* Prints `ms` as RFC 3339 UTC, floored to the second. */
void clock_format_rfc3339(int64_t ms, char text[static CLOCK_RFC3339_BYTES]);

#endif
