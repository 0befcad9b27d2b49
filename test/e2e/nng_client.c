/*
 * A client that knows rpc/PROTOCOL.md and NNG alone: a plain REQ socket, packets packed and read by
 * hand, none of Lotcast's headers. Says in TAP what it saw.
 *
 *   nng_client ipc:///…/rpc.sock CUSTOMER_ID
 */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PACKET_BYTES_MAX 8192
#define SERVICES_MAX 64
#define WAIT_MS 20000

/* --- packing --- */

struct bytes {
    uint8_t data[PACKET_BYTES_MAX];
    size_t len;
};

static void put(struct bytes *to, const void *data, size_t len)
{
    if (to->len + len > sizeof to->data)
        return;
    memcpy(to->data + to->len, data, len);
    to->len += len;
}

static void put_number(struct bytes *to, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(to, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static void put_field(struct bytes *to, unsigned number, uint64_t value)
{
    put_number(to, (uint64_t)number << 3);
    put_number(to, value);
}

static void put_text(struct bytes *to, unsigned number, const void *data, size_t len)
{
    put_number(to, (uint64_t)number << 3 | 2);
    put_number(to, len);
    put(to, data, len);
}

static void put_string(struct bytes *to, unsigned number, const char *text)
{
    put_text(to, number, text, strlen(text));
}

static void put_metadata(struct bytes *header, const char *key, const char *value)
{
    struct bytes entry = {.len = 0};
    put_string(&entry, 1, key);
    put_string(&entry, 2, value);
    put_text(header, 5, entry.data, entry.len);
}

/* --- reading --- */

struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct field {
    unsigned number;
    unsigned type;
    uint64_t value;      /* a varint, or the length of … */
    const uint8_t *data; /* … these bytes */
};

static uint64_t get_number(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; reader->at < reader->end && shift < 64; shift += 7) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            break;
    }
    return value;
}

/* Varints and what has a length; nothing else is in the answers that are read here. */
static bool get_field(struct reader *reader, struct field *ret_field)
{
    if (reader->at >= reader->end)
        return false;
    uint64_t key = get_number(reader);
    struct field field = {.number = (unsigned)(key >> 3), .type = (unsigned)(key & 7)};
    field.value = get_number(reader);
    if (field.type == 2) {
        if (field.value > (uint64_t)(reader->end - reader->at))
            return false;
        field.data = reader->at;
        reader->at += field.value;
    } else if (field.type != 0) {
        return false;
    }
    *ret_field = field;
    return true;
}

struct answer {
    void *message; /* NNG's memory */
    size_t len;
    uint64_t type;
    uint64_t call_id;
    bool failed; /* there is a status */
    uint64_t code;
    uint64_t reason;
    char text[256];
    char wrong_field[64];
    const uint8_t *payload;
    size_t payload_len;
};

static void copy_text(const struct field *field, char *to, size_t size)
{
    size_t len = field->value < size - 1 ? (size_t)field->value : size - 1;
    memcpy(to, field->data, len);
    to[len] = '\0';
}

static void read_status(struct reader reader, struct answer *answer)
{
    struct field field;
    answer->failed = true;
    while (get_field(&reader, &field)) {
        if (field.number == 1)
            answer->code = field.value;
        else if (field.number == 2)
            answer->reason = field.value;
        else if (field.number == 3 && field.type == 2)
            copy_text(&field, answer->text, sizeof answer->text);
        else if (field.number == 4 && field.type == 2)
            copy_text(&field, answer->wrong_field, sizeof answer->wrong_field);
    }
}

static bool read_answer(struct answer *answer)
{
    const uint8_t *packet = answer->message;
    struct field field;
    if (answer->len < 4)
        return false;
    size_t header =
        packet[0] | (size_t)packet[1] << 8 | (size_t)packet[2] << 16 | (size_t)packet[3] << 24;
    if (header > answer->len - 4)
        return false;
    struct reader reader = {packet + 4, packet + 4 + header};
    answer->payload = packet + 4 + header;
    answer->payload_len = answer->len - 4 - header;
    while (get_field(&reader, &field)) {
        if (field.number == 1)
            answer->type = field.value;
        else if (field.number == 2)
            answer->call_id = field.value;
        else if (field.number == 6 && field.type == 2)
            read_status((struct reader){field.data, field.data + field.value}, answer);
    }
    return true;
}

/* --- talking --- */

static nng_socket door;
static int checks;
static int failures;

static void check(bool good, const char *what)
{
    checks++;
    failures += !good;
    (void)printf("%s %d - %s\n", good ? "ok" : "not ok", checks, what);
}

static void answer_free(struct answer *answer)
{
    if (answer->message != NULL)
        nng_free(answer->message, answer->len);
    *answer = (struct answer){0};
}

/* Sends bytes as one message and reads what comes back. */
static bool exchange(const void *data, size_t len, struct answer *ret_answer)
{
    answer_free(ret_answer);
    int rc = nng_send(door, (void *)(uintptr_t)data, len, 0);
    if (rc == 0)
        rc = nng_recv(door, &ret_answer->message, &ret_answer->len, NNG_FLAG_ALLOC);
    if (rc != 0) {
        (void)printf("# %s\n", nng_strerror(rc));
        return false;
    }
    return read_answer(ret_answer);
}

/* One call. `customer` may be NULL. */
static bool call(const char *method, const struct bytes *request, const char *customer,
                 struct answer *ret_answer)
{
    static uint64_t call_id;
    struct bytes header = {.len = 0}, packet = {.len = 0};
    call_id++;
    put_field(&header, 1, 1); /* REQUEST */
    put_field(&header, 2, call_id);
    put_string(&header, 3, method);
    put_field(&header, 4, 10000);
    put_metadata(&header, "request-id", "nng-client");
    if (customer != NULL)
        put_metadata(&header, "customer-id", customer);
    uint8_t length[4] = {(uint8_t)header.len, (uint8_t)(header.len >> 8), 0, 0};
    put(&packet, length, sizeof length);
    put(&packet, header.data, header.len);
    put(&packet, request->data, request->len);
    bool came = exchange(packet.data, packet.len, ret_answer);
    return came && ret_answer->type == 2 && ret_answer->call_id == call_id;
}

/* --- what is asked --- */

static void ask_health(struct answer *answer)
{
    struct bytes request = {.len = 0};
    bool came = call("lotcast.v1.Health/Check", &request, NULL, answer);
    check(came && !answer->failed && answer->payload_len == 2 && answer->payload[0] == 0x08 &&
              answer->payload[1] == 1,
          "Health/Check answers SERVING");
    put_string(&request, 1, "lotcast.v1.Nothing");
    came = call("lotcast.v1.Health/Check", &request, NULL, answer);
    check(came && answer->code == 5 && strcmp(answer->wrong_field, "service") == 0,
          "Health/Check of a service that is not there answers NOT_FOUND");
}

static void ask_services(struct answer *answer)
{
    struct bytes request = {.len = 0};
    struct field service, name;
    size_t services = 0, methods = 0;
    bool log_in = false, sorted = true;
    char last[128] = "";
    bool came = call("lotcast.v1.Reflection/ListServices", &request, NULL, answer);
    struct reader reader = {answer->payload, answer->payload + answer->payload_len};
    while (came && get_field(&reader, &service) && services < SERVICES_MAX) {
        struct reader inner = {service.data, service.data + service.value};
        char text[128] = "";
        bool auth = false;
        services++;
        while (get_field(&inner, &name)) {
            copy_text(&name, text, sizeof text);
            if (name.number == 1) {
                auth = strcmp(text, "lotcast.v1.Auth") == 0;
                sorted = sorted && strcmp(last, text) < 0;
                memcpy(last, text, sizeof last);
            } else {
                methods++;
                log_in = log_in || (auth && strcmp(text, "LogIn") == 0);
            }
        }
    }
    check(services >= 12 && methods > 40 && sorted, "Reflection lists services and methods");
    check(log_in, "Auth/LogIn is among them");
    put_string(&request, 1, "lotcast.v1.Auth/LogIn");
    came = call("lotcast.v1.Reflection/GetDescriptorSet", &request, NULL, answer);
    check(came && !answer->failed && answer->payload_len > 1000 &&
              memmem(answer->payload, answer->payload_len, "lotcast/v1/auth.proto", 21) != NULL,
          "Reflection tells the declarations behind a method");
    request.len = 0;
    put_string(&request, 2, "lotcast/v1/nothing.proto");
    came = call("lotcast.v1.Reflection/GetDescriptorSet", &request, NULL, answer);
    check(came && answer->code == 5, "Reflection has no file that there is not");
}

static void fail_to_log_in(struct answer *answer)
{
    struct bytes request = {.len = 0};
    put_string(&request, 1, "nobody@example.com");
    put_string(&request, 2, "not the password");
    bool came = call("lotcast.v1.Auth/LogIn", &request, NULL, answer);
    check(came && answer->code == 16 && answer->reason == 14 && answer->text[0] != '\0' &&
              answer->payload_len == 0,
          "a wrong password is UNAUTHENTICATED, INVALID_CREDENTIALS, with words for people");
}

static void act_as_operator(const char *customer, struct answer *answer)
{
    struct bytes request = {.len = 0};
    bool came = call("lotcast.v1.Dashboard/GetDashboard", &request, customer, answer);
    check(came && !answer->failed && answer->payload_len > 0,
          "an operator sees a customer's dashboard");
    came = call("lotcast.v1.Dashboard/GetDashboard", &request, NULL, answer);
    check(came && answer->failed && answer->payload_len == 0,
          "an operator who names no customer sees none");
    came = call("lotcast.v1.Dashboard/GetDashboard", &request, "999999", answer);
    check(came && answer->code == 5, "a customer who is not there is NOT_FOUND");
    came = call("lotcast.v1.Store/Read", &request, NULL, answer);
    check(came && answer->code == 12, "the store is not reached through this door");
}

static void send_what_is_wrong(struct answer *answer)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
        uint64_t code;
    } rows[] = {
        {"an empty message", "", 0, 3},
        {"three bytes", "\1\0\0", 3, 3},
        {"a header beyond the end", "\377\377\377\377\10\1", 6, 3},
        {"a header cut off", "\1\0\0\0\10", 5, 3},
        {"text that is not UTF-8", "\4\0\0\0\32\2\300\200", 8, 3},
        {"a RESPONSE", "\4\0\0\0\10\2\20\7", 8, 3},
        {"a CANCEL", "\4\0\0\0\10\4\20\7", 8, 12},
        {"a type that there is not", "\4\0\0\0\10\143\20\7", 8, 3},
        {"a request for nothing", "\4\0\0\0\10\1\20\7", 8, 12},
    };
    char text[96];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool came = exchange(rows[i].bytes, rows[i].len, answer);
        (void)snprintf(text, sizeof text, "%s is answered %llu", rows[i].what,
                       (unsigned long long)rows[i].code);
        check(came && answer->type == 2 && answer->code == rows[i].code, text);
    }
    bool came = exchange("\4\0\0\0\10\5\20\52", 8, answer);
    check(came && answer->type == 5 && answer->call_id == 42, "a PING is answered by a PING");
}

static bool dial(const char *url)
{
    return nng_req0_open(&door) == 0 && nng_socket_set_ms(door, NNG_OPT_RECVTIMEO, WAIT_MS) == 0 &&
           nng_socket_set_ms(door, NNG_OPT_SENDTIMEO, WAIT_MS) == 0 &&
           nng_socket_set_ms(door, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE) == 0 &&
           nng_socket_set_size(door, NNG_OPT_RECVMAXSZ, 0) == 0 &&
           nng_dial(door, url, NULL, 0) == 0;
}

int main(int argc, char **argv)
{
    struct answer answer = {0};
    if (argc != 3 || !dial(argv[1])) {
        (void)fprintf(stderr, "nng_client: cannot reach the service\n");
        return 2;
    }
    ask_health(&answer);
    ask_services(&answer);
    fail_to_log_in(&answer);
    act_as_operator(argv[2], &answer);
    send_what_is_wrong(&answer);
    ask_health(&answer); /* all that has harmed nothing */
    answer_free(&answer);
    (void)nng_close(door);
    (void)printf("1..%d\n", checks);
    return failures == 0 ? 0 : 1;
}
