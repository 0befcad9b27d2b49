/*
 * Relative times for people, as api-contracts.md, section 9, has them. Pure.
 */
#ifndef RPC_SERVICES_MODEL_RELTIME_H
#define RPC_SERVICES_MODEL_RELTIME_H

#include <stdint.h>

/* Room for the longest text with its NUL. */
#define RELTIME_BYTES 40

/* A moment in the past, floored: "just now", "1 minute ago", "2 hours ago", "3 days ago". 0 is
 * "never". */
void reltime_past(int64_t at_ms, int64_t now_ms, char text[static RELTIME_BYTES]);
/* When that text, short or not, changes next; INT64_MAX: never. */
int64_t reltime_past_until(int64_t at_ms, int64_t now_ms);
/* The same, short: "5m ago", "2h ago", "3d ago". */
void reltime_past_short(int64_t at_ms, int64_t now_ms, char text[static RELTIME_BYTES]);
/* A moment to come, rounded to the nearest unit: "in less than a minute", "in 1 minute", "in 6
 * hours". */
void reltime_future(int64_t at_ms, int64_t now_ms, char text[static RELTIME_BYTES]);

#endif
