/*
 * Codecs over the test messages, and short ways to parse and print with them.
 */
#ifndef TEST_UNIT_RPC_CODEC_FIXTURE_H
#define TEST_UNIT_RPC_CODEC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/json.h"
#include "test/unit/rpc/proto/codec_sources.h"

struct codec_fixture {
    struct registry *registry;
    struct json_codec *api;     /* json_options_api */
    struct json_codec *plain;   /* the proto3 mapping as it is */
    struct json_codec *lenient; /* with ignore_unknown */
    struct json_codec *log;     /* with hide_redacted */
    struct arena arena;         /* reset by codec_fixture_parse */
    struct buffer out;          /* cleared by codec_fixture_print */
    struct rpc_status status;   /* of the last call */
};

/* The fixture of a group's tests: *state is a struct codec_fixture. */
int codec_fixture_setup(void **state);
int codec_fixture_teardown(void **state);

/* A fresh message, filled from the text; NULL where that failed (see status). */
void *codec_fixture_parse(struct codec_fixture *fixture, const struct json_codec *codec,
                          const ProtobufCMessageDescriptor *type, const char *text);
/* The printed text, until the next print; fails the test if printing does. */
const char *codec_fixture_print(struct codec_fixture *fixture, const struct json_codec *codec,
                                const void *message);
/* Parses and prints with the same codec and expects `want`; NULL: the text itself. */
void codec_fixture_round(struct codec_fixture *fixture, const struct json_codec *codec,
                         const ProtobufCMessageDescriptor *type, const char *text,
                         const char *want);
/* Expects a refusal with this reason and field. */
void codec_fixture_refuse(struct codec_fixture *fixture, const struct json_codec *codec,
                          const ProtobufCMessageDescriptor *type, const char *text,
                          Lotcast__V1__Reason reason, const char *field);

#endif
