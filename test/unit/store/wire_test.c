/* Fields read out of packed bytes are those that protobuf-c packs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "google/protobuf/wrappers.pb-c.h"
#include "lotcast/v1/records.pb-c.h"
#include "store/wire.h"

static const ProtobufCFieldDescriptor *field(const ProtobufCMessageDescriptor *record,
                                             const char *name)
{
    const ProtobufCFieldDescriptor *found =
        protobuf_c_message_descriptor_get_field_by_name(record, name);
    assert_non_null(found);
    return found;
}

static void reads_what_protobuf_c_packs(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *record = &lotcast__v1__item_record__descriptor;
    static const int64_t numbers[] = {0, 1, -1, 127, 128, INT64_MAX, INT64_MIN, 1 << 30};
    const ProtobufCFieldDescriptor *fields[] = {
        field(record, "synced_hash"), field(record, "year"),      field(record, "in_stock"),
        field(record, "price_minor"), field(record, "condition"), field(record, "title"),
        field(record, "customer_id")};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        Lotcast__V1__ItemRecord item = LOTCAST__V1__ITEM_RECORD__INIT;
        uint8_t hash[] = {0, 1, 2};
        uint8_t packed[256];
        struct store_value values[7];
        item.customer_id = numbers[i];
        item.price_minor = -numbers[i] - 1;
        item.year = (int32_t)numbers[i];
        item.in_stock = numbers[i] > 0;
        item.condition = LOTCAST__V1__ITEM_CONDITION__ITEM_CONDITION_USED;
        item.title = (char *)(i % 2 == 0 ? "" : "Grüße");
        item.synced_hash = (ProtobufCBinaryData){sizeof hash, hash};
        size_t len = lotcast__v1__item_record__pack(&item, packed);
        assert_true(store__wire_valid(span_of(packed, len), record));
        assert_true(store__wire_extract(span_of(packed, len), fields, 7, values));
        assert_true(span_equal(values[0].data, span_of(hash, sizeof hash)));
        assert_true(values[1].number == item.year);
        assert_true(values[2].number == item.in_stock);
        assert_true(values[3].number == item.price_minor);
        assert_true(values[4].number == 2);
        assert_true(span_equal_string(values[5].data, item.title));
        assert_true(values[6].number == item.customer_id);
        assert_int_equal(values[0].kind, STORE_KIND_DATA);
        assert_int_equal(values[5].kind, STORE_KIND_TEXT);
        assert_int_equal(values[6].kind, STORE_KIND_NUMBER);
    }
}

struct row {
    const char *name;
    const char *bytes;
    size_t len;
    bool is_valid;
    int64_t user_id;
    const char *email_key;
};

static const struct row rows[] = {
    {"nothing", "", 0, true, 0, ""},
    {"one field", "\x08\x05", 2, true, 5, ""},
    {"the last one counts", "\x08\x05\x12\x01x\x08\x07\x12\x01y", 10, true, 7, "y"},
    {"long varint form", "\x08\x85\x80\x00", 4, true, 5, ""},
    {"negative", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, true, -1, ""},
    {"unknown varint", "\xa0\x06\x01\x08\x05", 5, true, 5, ""},
    {"unknown fixed32", "\xa5\x06\x01\x02\x03\x04\x08\x05", 8, true, 5, ""},
    {"unknown fixed64", "\xa1\x06\x01\x02\x03\x04\x05\x06\x07\x08\x08\x05", 12, true, 5, ""},
    {"unknown bytes", "\xa2\x06\x02\xff\xff\x08\x05", 7, true, 5, ""},
    {"cut tag", "\x88", 1, false, 0, NULL},
    {"tag of 11 bytes", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, false, 0, NULL},
    {"field number 0", "\x02\x00", 2, false, 0, NULL},
    {"field number above 2^29", "\x80\x80\x80\x80\x10\x00", 6, false, 0, NULL},
    {"no varint", "\x08", 1, false, 0, NULL},
    {"cut varint", "\x08\x80", 2, false, 0, NULL},
    {"varint above 64 bits", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03", 11, false, 0, NULL},
    {"no length", "\x12", 1, false, 0, NULL},
    {"length beyond the end", "\x12\x02y", 3, false, 0, NULL},
    {"length of 2^64 - 1", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, false, 0, NULL},
    {"cut fixed32", "\xa5\x06\x01\x02\x03", 5, false, 0, NULL},
    {"cut fixed64", "\xa1\x06\x01\x02\x03", 5, false, 0, NULL},
    {"group", "\xa3\x06\xa4\x06", 4, false, 0, NULL},
    {"wire type 6", "\xa6\x06", 2, false, 0, NULL},
    {"wire type 7", "\xa7\x06", 2, false, 0, NULL},
    {"text as a number", "\x10\x01", 2, false, 0, NULL},
    {"number as a text", "\x0a\x01y", 3, false, 0, NULL},
};

static void reads_or_refuses_each_form(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *record = &lotcast__v1__user_record__descriptor;
    const ProtobufCFieldDescriptor *fields[] = {field(record, "user_id"),
                                                field(record, "email_key")};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_value values[2];
        struct span packed = span_of(rows[i].bytes, rows[i].len);
        bool is_read = store__wire_extract(packed, fields, 2, values);
        if (is_read != rows[i].is_valid || store__wire_valid(packed, record) != rows[i].is_valid)
            fail_msg("%s: %d", rows[i].name, is_read);
        if (is_read && (values[0].number != rows[i].user_id ||
                        !span_equal_string(values[1].data, rows[i].email_key)))
            fail_msg("%s: %lld", rows[i].name, (long long)values[0].number);
    }
}

static void refuses_texts_that_are_none(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *record = &lotcast__v1__user_record__descriptor;
    assert_false(store__wire_valid(span_of("\x12\x01\0", 3), record));
    assert_false(store__wire_valid(span_of("\x12\x01\xff", 3), record));
    assert_false(store__wire_valid(span_of("\x12\x02\xc0\x80", 4), record));
    assert_false(store__wire_valid(span_of("\x12\x03\xed\xa0\x80", 5), record));
    assert_true(store__wire_valid(span_of("\x12\x02\xc3\xa4", 4), record));
}

static void takes_repeated_numbers_packed_and_not(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *record = &lotcast__v1__throttle_record__descriptor;
    const ProtobufCFieldDescriptor *repeated[] = {field(record, "attempts_at_ms")};
    struct store_value value;
    assert_true(store__wire_valid(span_of("\x12\x02\x01\x02", 4), record));
    assert_true(store__wire_valid(span_of("\x10\x01\x10\x02", 4), record));
    assert_false(store__wire_extract(span_of("", 0), repeated, 1, &value)); /* no scalar */
}

static void knows_kinds_of_fields(void **state)
{
    (void)state;
    enum store_kind kind;
    const ProtobufCMessageDescriptor *job = &lotcast__v1__job_record__descriptor;
    assert_true(store__wire_kind(field(job, "kind"), &kind));
    assert_int_equal(kind, STORE_KIND_NUMBER);
    assert_true(store__wire_kind(field(job, "active_slot"), &kind));
    assert_int_equal(kind, STORE_KIND_TEXT);
    assert_false(store__wire_kind(field(job, "scan"), &kind));
    const ProtobufCMessageDescriptor *real = &google__protobuf__double_value__descriptor;
    assert_false(store__wire_kind(&real->fields[0], &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_protobuf_c_packs),
        cmocka_unit_test(reads_or_refuses_each_form),
        cmocka_unit_test(refuses_texts_that_are_none),
        cmocka_unit_test(takes_repeated_numbers_packed_and_not),
        cmocka_unit_test(knows_kinds_of_fields),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
