/*
 * A corpus of JSON texts, in the manner of JSONTestSuite: y_ is to be taken, n_ to be refused at a
 * position, i_ is what RFC 8259 leaves open and we have decided (§1 of the API's contract). Both
 * the check of a text and the parser are held to it, and the REST facade with real requests.
 */
#ifndef TEST_SUPPORT_JSON_CASES_H
#define TEST_SUPPORT_JSON_CASES_H

#include <stddef.h>

/* Of a case that is to be taken. */
#define JSON_CASE_TAKEN (-1)

struct json_case {
    const char *name;
    const char *text;
    size_t len;
    long position; /* of the offence, in bytes, or JSON_CASE_TAKEN */
};

extern const struct json_case json_cases[];
extern const size_t json_case_count;

#endif
