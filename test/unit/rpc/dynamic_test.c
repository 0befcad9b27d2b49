/*
 * Registries made of a descriptor set alone: their C descriptors are those that protoc-c generates,
 * messages pack, unpack and become JSON alike, and a set that contradicts itself is refused.
 */
#include "test/unit/rpc/codec_fixture.h"
#include "test/unit/rpc/random_message.h"
#include "test/unit/rpc/registry_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "rpc/channel.h"

#define MESSAGES_A_TYPE 12

struct under_test {
    struct registry *compiled[2]; /* the product's and the codec tests' */
    struct registry *dynamic[2];
    struct arena sets;
    struct arena arena;
};

static void must(enum rpc_code code, const struct rpc_status *status)
{
    if (code != RPC_OK)
        fail_msg("%s", status->message);
}

/* The codec tests' set without the messages whose rules no codec takes. */
static struct span without_wrong(struct span packed, struct arena *arena)
{
    Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(&arena->protobuf, packed.len, packed.data);
    assert_non_null(set);
    Google__Protobuf__FileDescriptorProto *file = set->file[set->n_file - 1];
    while (strcmp(file->message_type[file->n_message_type - 1]->name, "Names") != 0)
        file->n_message_type--;
    size_t len = google__protobuf__file_descriptor_set__get_packed_size(set);
    uint8_t *bytes = arena_alloc(arena, len);
    assert_non_null(bytes);
    (void)google__protobuf__file_descriptor_set__pack(set, bytes);
    return span_of(bytes, len);
}

/* descriptor.proto's messages too: they are proto2, with defaults. */
static struct registry *make_compiled(struct registry_sources sources)
{
    const ProtobufCMessageDescriptor *messages[64];
    struct registry *registry = NULL;
    struct rpc_status status;
    assert_true(sources.message_count < 64);
    memcpy(messages, sources.messages, sources.message_count * sizeof(messages[0]));
    messages[sources.message_count++] = &google__protobuf__file_descriptor_set__descriptor;
    sources.messages = messages;
    must(registry_create(&sources, &registry, &status), &status);
    return registry;
}

static int set_up(void **state)
{
    struct under_test *test = calloc(1, sizeof *test);
    struct registry_sources sources[2] = {registry_sources_get(), codec_sources_get()};
    struct rpc_status status;
    assert_non_null(test);
    arena_init(&test->sets, ARENA_CALL_BYTES_MAX);
    sources[1].descriptor_set = without_wrong(sources[1].descriptor_set, &test->sets);
    for (int i = 0; i < 2; i++) {
        test->compiled[i] = make_compiled(sources[i]);
        must(registry_create_dynamic(sources[i].descriptor_set, &test->dynamic[i], &status),
             &status);
    }
    arena_init(&test->arena, ARENA_CALL_BYTES_MAX);
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    for (int i = 0; i < 2; i++) {
        registry_destroy(test->compiled[i]);
        registry_destroy(test->dynamic[i]);
    }
    arena_fini(&test->arena);
    arena_fini(&test->sets);
    free(test);
    return 0;
}

/* --- descriptors --- */

static void same_ranges(const ProtobufCIntRange *a, unsigned count_a, const ProtobufCIntRange *b,
                        unsigned count_b)
{
    assert_int_equal(count_a, count_b);
    for (unsigned i = 0; i <= count_a; i++) {
        assert_int_equal(a[i].start_value, b[i].start_value);
        assert_int_equal(a[i].orig_index, b[i].orig_index);
    }
}

static void same_enum(const ProtobufCEnumDescriptor *a, const ProtobufCEnumDescriptor *b)
{
    assert_int_equal(a->magic, b->magic);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->short_name, b->short_name);
    assert_string_equal(a->package_name, b->package_name);
    assert_int_equal(a->n_values, b->n_values);
    for (unsigned i = 0; i < a->n_values; i++) {
        assert_string_equal(a->values[i].name, b->values[i].name);
        assert_int_equal(a->values[i].value, b->values[i].value);
    }
    assert_int_equal(a->n_value_names, b->n_value_names);
    for (unsigned i = 0; i < a->n_value_names; i++) {
        assert_string_equal(a->values_by_name[i].name, b->values_by_name[i].name);
        assert_int_equal(a->values_by_name[i].index, b->values_by_name[i].index);
    }
    if (a->n_values > 0)
        same_ranges(a->value_ranges, a->n_value_ranges, b->value_ranges, b->n_value_ranges);
}

/* As protobuf-c stores a default: text, or a value that the field's size tells. */
static void same_default(const ProtobufCFieldDescriptor *a, const ProtobufCFieldDescriptor *b)
{
    if ((a->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        assert_null(b->default_value);
        return;
    }
    if ((a->default_value == NULL) != (b->default_value == NULL))
        fail_msg("%s has a default, or has none", a->name);
    if (a->default_value == NULL)
        return;
    if (a->type == PROTOBUF_C_TYPE_STRING) {
        assert_string_equal(a->default_value, b->default_value);
    } else if (a->type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *left = a->default_value, *right = b->default_value;
        assert_true(span_equal(span_of(left->data, left->len), span_of(right->data, right->len)));
    } else {
        bool wide = a->type == PROTOBUF_C_TYPE_DOUBLE || a->type == PROTOBUF_C_TYPE_INT64 ||
                    a->type == PROTOBUF_C_TYPE_UINT64;
        assert_memory_equal(a->default_value, b->default_value, wide ? 8 : 4);
    }
}

static void same_field(const ProtobufCFieldDescriptor *a, const ProtobufCFieldDescriptor *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->label, b->label);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->quantifier_offset, b->quantifier_offset);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->flags, b->flags);
    same_default(a, b);
    if (a->type == PROTOBUF_C_TYPE_MESSAGE)
        assert_string_equal(((const ProtobufCMessageDescriptor *)a->descriptor)->name,
                            ((const ProtobufCMessageDescriptor *)b->descriptor)->name);
    if (a->type == PROTOBUF_C_TYPE_ENUM)
        same_enum(a->descriptor, b->descriptor);
}

static void same_message(const ProtobufCMessageDescriptor *a, const ProtobufCMessageDescriptor *b)
{
    assert_int_equal(a->magic, b->magic);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->short_name, b->short_name);
    assert_string_equal(a->package_name, b->package_name);
    assert_int_equal(a->sizeof_message, b->sizeof_message);
    assert_int_equal(a->n_fields, b->n_fields);
    for (unsigned i = 0; i < a->n_fields; i++) {
        same_field(&a->fields[i], &b->fields[i]);
        assert_int_equal(a->fields_sorted_by_name[i], b->fields_sorted_by_name[i]);
    }
    if (a->n_fields > 0)
        same_ranges(a->field_ranges, a->n_field_ranges, b->field_ranges, b->n_field_ranges);
    assert_null(b->message_init);
}

/* Every message that a compiled registry has, beside the dynamic one's. */
static size_t each_message(struct under_test *test,
                           void (*visit)(struct under_test *test, int which,
                                         const struct registry_message *a,
                                         const struct registry_message *b))
{
    size_t visited = 0;
    for (int i = 0; i < 2; i++) {
        const Google__Protobuf__FileDescriptorSet *set = registry_descriptor_set(test->compiled[i]);
        for (size_t j = 0; j < set->n_file; j++) {
            for (size_t k = 0; k < set->file[j]->n_message_type; k++) {
                char name[256];
                (void)snprintf(name, sizeof name, "%s.%s", set->file[j]->package,
                               set->file[j]->message_type[k]->name);
                const struct registry_message *b = registry_message_find(test->dynamic[i], name);
                assert_non_null(b); /* all that the set declares is there */
                const struct registry_message *a = registry_message_find(test->compiled[i], name);
                if (a == NULL)
                    continue;
                visit(test, i, a, b);
                visited++;
            }
        }
    }
    return visited;
}

static void check_descriptors(struct under_test *test, int which, const struct registry_message *a,
                              const struct registry_message *b)
{
    (void)test;
    (void)which;
    same_message(a->descriptor, b->descriptor);
    /* Nested ones, map entries among them, by way of the fields. */
    for (size_t i = 0; i < a->field_count; i++) {
        if (a->fields[i].message != NULL)
            same_message(a->fields[i].message->descriptor, b->fields[i].message->descriptor);
        assert_string_equal(a->fields[i].json_name, b->fields[i].json_name);
        assert_int_equal(a->fields[i].is_map, b->fields[i].is_map);
        assert_int_equal(a->fields[i].oneof_index, b->fields[i].oneof_index);
        assert_int_equal(a->fields[i].rules->decimal_places, b->fields[i].rules->decimal_places);
        assert_int_equal(a->fields[i].rules->redacted, b->fields[i].rules->redacted);
    }
}

static void descriptors_are_what_protoc_c_makes(void **state)
{
    assert_true(each_message(*state, check_descriptors) > 150);
}

static void methods_are_the_same(void **state)
{
    struct under_test *test = *state;
    size_t count = registry_method_count(test->compiled[0]);
    assert_true(count > 40);
    assert_int_equal(registry_method_count(test->dynamic[0]), count);
    for (size_t i = 0; i < count; i++) {
        const struct registry_method *a = registry_method_at(test->compiled[0], i);
        const struct registry_method *b =
            registry_method_find(test->dynamic[0], span_of_string(a->name));
        assert_non_null(b);
        assert_string_equal(a->input->name, b->input->name);
        assert_string_equal(a->output->name, b->output->name);
        assert_int_equal(a->deadline_ms, b->deadline_ms);
        assert_int_equal(a->read_only, b->read_only);
        assert_int_equal(a->idempotent, b->idempotent);
        assert_int_equal(a->rules->access, b->rules->access);
        assert_true((a->http == NULL) == (b->http == NULL));
        const ProtobufCMethodDescriptor *found =
            protobuf_c_service_descriptor_get_method_by_name(b->service, a->method_name);
        assert_non_null(found);
        assert_string_equal(found->input->name, a->input->name);
    }
    assert_int_equal(registry_table_count(test->dynamic[0]), 0);
}

/* --- messages --- */

static struct json_codec *codecs[2][2]; /* [which][compiled, dynamic] */
static uint64_t seed;
static size_t parsed;

/* A message of protobuf's own that is no wrapper: random ones have no JSON. */
static bool is_known(const struct registry_message *message)
{
    return strncmp(message->name, "google.protobuf.", 16) == 0 &&
           (strstr(message->name, "Value") == NULL ||
            strcmp(message->name, "google.protobuf.Value") == 0 ||
            strcmp(message->name, "google.protobuf.ListValue") == 0);
}

/* A random map's entries may lack a value. */
static bool has_json(const struct registry_message *message)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct registry_field *field = &message->fields[i];
        if (field->is_map || (field->message != NULL && is_known(field->message)))
            return false;
    }
    return !is_known(message);
}

/* Parses the text as a type's message and packs that; the code alone where it is refused. */
static enum rpc_code parse(struct under_test *test, const struct json_codec *codec,
                           const ProtobufCMessageDescriptor *type, struct span text,
                           struct span *ret_packed)
{
    ProtobufCMessage *message = arena_alloc(&test->arena, type->sizeof_message);
    assert_non_null(message);
    registry_message_init(type, message);
    enum rpc_code code = json_parse(codec, text, &test->arena, message, NULL);
    *ret_packed = code == RPC_OK ? random_message_pack(message, &test->arena) : span_of("", 0);
    return code;
}

static void same_json(struct under_test *test, int which, const ProtobufCMessage *a,
                      const ProtobufCMessage *b)
{
    struct rpc_status status;
    struct buffer text_a, text_b;
    struct span packed_a, packed_b;
    buffer_init(&text_a, (size_t)1024 * 1024);
    buffer_init(&text_b, (size_t)1024 * 1024);
    must(json_print(codecs[which][0], a, &text_a, &status), &status);
    must(json_print(codecs[which][1], b, &text_b, &status), &status);
    assert_string_equal(buffer_cstring(&text_a), buffer_cstring(&text_b));
    struct span text = buffer_span(&text_a);
    enum rpc_code code = parse(test, codecs[which][0], a->descriptor, text, &packed_a);
    assert_int_equal(parse(test, codecs[which][1], b->descriptor, text, &packed_b), code);
    assert_true(span_equal(packed_a, packed_b));
    parsed += code == RPC_OK;
    buffer_fini(&text_a);
    buffer_fini(&text_b);
}

static void check_messages(struct under_test *test, int which, const struct registry_message *a,
                           const struct registry_message *b)
{
    for (int i = 0; i < MESSAGES_A_TYPE; i++) {
        struct rpc_status status;
        ProtobufCMessage *unpacked = NULL;
        arena_reset(&test->arena);
        const ProtobufCMessage *message = random_message(a->descriptor, &seed, &test->arena);
        struct span packed = random_message_pack(message, &test->arena);
        must(rpc_message_unpack(b->descriptor, packed, &test->arena, &unpacked, &status), &status);
        assert_ptr_equal(unpacked->descriptor, b->descriptor);
        assert_int_equal(unpacked->n_unknown_fields, 0);
        assert_true(span_equal(packed, random_message_pack(unpacked, &test->arena)));
        if (has_json(a))
            same_json(test, which, message, unpacked);
    }
}

static void maps_travel_alike(struct under_test *test)
{
    static const char text[] =
        "{\"strings\":{\"a\":\"b\",\"\":\"\"},\"numbers\":{\"-3\":\"4\"},\"flags\":{\"9\":true},"
        "\"inners\":{\"true\":{\"name\":\"x\",\"numbers\":[1,2]}},\"colors\":{\"c\":\"COLOR_COLD\"}"
        ","
        "\"boxed\":{\"z\":\"5\"}}";
    ProtobufCMessage *unpacked = NULL;
    struct rpc_status status;
    struct span packed;
    const struct registry_message *a =
        registry_message_find(test->compiled[1], "lotcast.test.v1.Maps");
    const struct registry_message *b =
        registry_message_find(test->dynamic[1], "lotcast.test.v1.Maps");
    arena_reset(&test->arena);
    assert_int_equal(parse(test, codecs[1][0], a->descriptor, span_of_string(text), &packed),
                     RPC_OK);
    must(rpc_message_unpack(a->descriptor, packed, &test->arena, &unpacked, &status), &status);
    const ProtobufCMessage *compiled = unpacked;
    must(rpc_message_unpack(b->descriptor, packed, &test->arena, &unpacked, &status), &status);
    same_json(test, 1, compiled, unpacked);
}

static void messages_travel_alike(void **state)
{
    struct under_test *test = *state;
    struct rpc_status status;
    struct json_options options = {0};
    seed = 11;
    for (int i = 0; i < 2; i++) {
        must(json_codec_create(test->compiled[i], &options, &codecs[i][0], &status), &status);
        must(json_codec_create(test->dynamic[i], &options, &codecs[i][1], &status), &status);
    }
    assert_true(each_message(test, check_messages) > 150);
    assert_true(parsed > 1000);
    maps_travel_alike(test);
    for (int i = 0; i < 4; i++)
        json_codec_destroy(codecs[i / 2][i % 2]);
}

/* An empty message is the one that protoc-c's init makes, unions and defaults included. */
static void check_init(struct under_test *test, int which, const struct registry_message *a,
                       const struct registry_message *b)
{
    (void)which;
    arena_reset(&test->arena);
    ProtobufCMessage *compiled = arena_alloc(&test->arena, a->descriptor->sizeof_message);
    ProtobufCMessage *dynamic = arena_alloc(&test->arena, b->descriptor->sizeof_message);
    assert_true(compiled != NULL && dynamic != NULL);
    memset(dynamic, 0x5a, b->descriptor->sizeof_message);
    registry_message_init(a->descriptor, compiled);
    registry_message_init(b->descriptor, dynamic);
    assert_ptr_equal(dynamic->descriptor, b->descriptor);
    assert_int_equal(protobuf_c_message_get_packed_size(dynamic),
                     protobuf_c_message_get_packed_size(compiled));
    for (unsigned i = 0; i < a->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &a->descriptor->fields[i];
        const uint8_t *left = (const uint8_t *)compiled + field->offset;
        const uint8_t *right = (const uint8_t *)dynamic + field->offset;
        bool text =
            field->type == PROTOBUF_C_TYPE_STRING && field->label != PROTOBUF_C_LABEL_REPEATED;
        /* An enum of proto2 that is not there has its first value in protoc-c's. */
        if (field->type == PROTOBUF_C_TYPE_ENUM && field->label == PROTOBUF_C_LABEL_OPTIONAL)
            continue;
        if (!text && memcmp(left, right, 4) != 0)
            fail_msg("%s.%s", a->name, field->name);
        else if (!text)
            continue;
        else if (*(char *const *)left == NULL)
            assert_null(*(char *const *)right);
        else
            assert_string_equal(*(char *const *)left, *(char *const *)right);
    }
}

static void messages_begin_alike(void **state)
{
    assert_true(each_message(*state, check_init) > 150);
}

/* --- refusals --- */

static void refuse_bytes(struct span bytes, const char *culprit, const char *what)
{
    struct registry *registry = NULL;
    struct rpc_status status;
    rpc_status_clear(&status);
    enum rpc_code code = registry_create_dynamic(bytes, &registry, &status);
    if (code != RPC_FAILED_PRECONDITION || strstr(status.message, culprit) == NULL)
        fail_msg("%s: %s %s", what, rpc_code_name(code), status.message);
    assert_null(registry);
}

static void refuse(struct broken *broken, const char *culprit, const char *what)
{
    size_t len = google__protobuf__file_descriptor_set__get_packed_size(broken->set);
    uint8_t *packed = malloc(len);
    assert_non_null(packed);
    (void)google__protobuf__file_descriptor_set__pack(broken->set, packed);
    refuse_bytes(span_of(packed, len), culprit, what);
    free(packed);
    arena_fini(&broken->arena);
}

/* What is done to lotcast.v1.LogInRequest.email. */
enum field_fault {
    NO_NAME,
    EMPTY_NAME,
    NUMBER_ZERO,
    NUMBER_NEGATIVE,
    NUMBER_LARGE,
    NUMBER_TWICE,
    NO_TYPE,
    GROUP,
    TYPE_UNKNOWN,
    REFERS_TO_NOTHING,
    REFERS_RELATIVELY,
    REFERS_TO_ENUM,
    ENUM_IS_MESSAGE,
    ONEOF_NEGATIVE,
    ONEOF_BEYOND,
    NO_JSON_NAME,
    BAD_DEFAULT,
    FIELD_FAULTS,
};

static void break_field(Google__Protobuf__FieldDescriptorProto *field, enum field_fault fault)
{
    switch (fault) {
    case NO_NAME:
        field->name = NULL;
        break;
    case EMPTY_NAME:
        field->name = (char *)(uintptr_t) "";
        break;
    case NUMBER_ZERO:
        field->number = 0;
        break;
    case NUMBER_NEGATIVE:
        field->number = -1;
        break;
    case NUMBER_LARGE:
        field->number = 1 << 29;
        break;
    case NUMBER_TWICE:
        field->number = 2;
        break;
    case NO_TYPE:
        field->has_type = 0;
        break;
    case GROUP:
        field->type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
        break;
    case TYPE_UNKNOWN:
        field->type = (Google__Protobuf__FieldDescriptorProto__Type)99;
        break;
    case REFERS_TO_NOTHING:
    case REFERS_RELATIVELY:
    case REFERS_TO_ENUM:
    case ENUM_IS_MESSAGE:
        field->type = fault == ENUM_IS_MESSAGE
                          ? GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM
                          : GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE;
        field->type_name = (char *)(uintptr_t)(fault == REFERS_TO_NOTHING   ? ".lotcast.v1.Nothing"
                                               : fault == REFERS_RELATIVELY ? "LogInResponse"
                                               : fault == REFERS_TO_ENUM    ? ".lotcast.v1.Reason"
                                                                            : ".lotcast.v1.Status");
        break;
    case ONEOF_NEGATIVE:
    case ONEOF_BEYOND:
        field->has_oneof_index = 1;
        field->oneof_index = fault == ONEOF_NEGATIVE ? -1 : 0;
        break;
    case NO_JSON_NAME:
        field->json_name = NULL;
        break;
    case BAD_DEFAULT:
        field->type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32;
        field->default_value = (char *)(uintptr_t) "12x";
        break;
    case FIELD_FAULTS:
        break;
    }
}

static void refuses_fields_that_cannot_be(void **state)
{
    (void)state;
    for (enum field_fault fault = 0; fault < FIELD_FAULTS; fault++) {
        struct broken broken;
        char what[32];
        (void)snprintf(what, sizeof what, "field fault %d", (int)fault);
        broken_begin(&broken);
        break_field(broken_field(&broken, "LogInRequest", "email"), fault);
        refuse(&broken, "LogInRequest", what);
    }
}

static void refuses_declarations_that_cannot_be(void **state)
{
    struct broken broken;
    (void)state;
    broken_begin(&broken);
    broken_message(&broken, "LogInRequest")->name = NULL;
    refuse(&broken, "no name", "message without a name");
    broken_begin(&broken);
    broken_message(&broken, "LogInRequest")->name = (char *)(uintptr_t) "LogInResponse";
    refuse(&broken, "declared twice", "message twice");
    broken_begin(&broken);
    broken_service(&broken, "Auth")->name = NULL;
    refuse(&broken, "no name", "service without a name");
    broken_begin(&broken);
    broken_method(&broken, "Auth", "LogIn")->name = NULL;
    refuse(&broken, "lotcast.v1.Auth", "method without a name");
    broken_begin(&broken);
    broken_method(&broken, "Auth", "LogIn")->name = (char *)(uintptr_t) "LogOut";
    refuse(&broken, "LogOut", "method twice");
    broken_begin(&broken);
    broken_method(&broken, "Auth", "LogIn")->input_type = NULL;
    refuse(&broken, "lotcast.v1.Auth", "method without input");
    broken_begin(&broken);
    broken_method(&broken, "Auth", "LogIn")->output_type = (char *)(uintptr_t) ".lotcast.v1.Reason";
    refuse(&broken, "lotcast.v1.Auth", "method answers an enum");
    broken_begin(&broken);
    broken.set->file[broken.set->n_file - 1]->syntax = (char *)(uintptr_t) "editions";
    refuse(&broken, "syntax", "unknown syntax");
    broken_begin(&broken);
    size_t i = 0;
    while (broken.set->file[i]->n_enum_type == 0)
        i++;
    broken.set->file[i]->enum_type[0]->n_value = 0;
    refuse(&broken, "no values", "enum without values");
}

/* Nested deeper than anything may be: protobuf-c alone would go on until the stack ends. */
static void refuses_bytes_that_are_no_set(void **state)
{
    (void)state;
    enum { DEPTH = 20000 };
    struct span real = registry_sources_get().descriptor_set;
    refuse_bytes(span_of("\xff\xff", 2), "cannot be read", "noise");
    refuse_bytes(span_of(real.data, real.len - 1), "cannot be read", "cut off");
    uint8_t *deep = malloc((size_t)DEPTH * 6);
    assert_non_null(deep);
    size_t at = (size_t)DEPTH * 6, end = at;
    for (int i = 0; i < DEPTH; i++) {
        size_t len = end - at;
        uint8_t key = i == DEPTH - 1 ? 0x0a : i == DEPTH - 2 ? 0x22 : 0x1a;
        deep[--at] = (uint8_t)(len >> 14 & 0x7f);
        deep[--at] = (uint8_t)(len >> 7 & 0x7f) | 0x80;
        deep[--at] = (uint8_t)(len & 0x7f) | 0x80;
        deep[--at] = key;
    }
    refuse_bytes(span_of(deep + at, end - at), "cannot be read", "deep");
    free(deep);
}

static void an_empty_set_has_nothing(void **state)
{
    (void)state;
    struct registry *registry = NULL;
    struct rpc_status status;
    must(registry_create_dynamic(span_of("", 0), &registry, &status), &status);
    assert_int_equal(registry_method_count(registry), 0);
    assert_null(registry_message_find(registry, "lotcast.v1.Status"));
    registry_destroy(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(descriptors_are_what_protoc_c_makes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(methods_are_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_travel_alike, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_begin_alike, set_up, tear_down),
        cmocka_unit_test(refuses_fields_that_cannot_be),
        cmocka_unit_test(refuses_declarations_that_cannot_be),
        cmocka_unit_test(refuses_bytes_that_are_no_set),
        cmocka_unit_test(an_empty_set_has_nothing),
    };
    return cmocka_run_group_tests_name("dynamic", tests, NULL, NULL);
}
