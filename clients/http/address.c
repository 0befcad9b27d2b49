/*
 * Which addresses a scan may connect to: everything that is not globally reachable unicast is
 * refused (IANA's special-purpose registries, RFC 6890 and its successors), as are the clouds'
 * metadata services, and all of these inside IPv6's ways to carry an IPv4 address.
 */
#include "clients/http/http.h"

/* A range of IPv4 addresses, network byte order. */
struct range_v4 {
    uint8_t address[4];
    int prefix_bits;
};

static const struct range_v4 refused_v4[] = {
    {{0, 0, 0, 0}, 8},        /* this network */
    {{10, 0, 0, 0}, 8},       /* private */
    {{100, 64, 0, 0}, 10},    /* carrier-grade NAT; Alibaba's metadata is 100.100.100.200 */
    {{127, 0, 0, 0}, 8},      /* loopback */
    {{168, 63, 129, 16}, 32}, /* Azure's metadata and DNS, in a public range */
    {{169, 254, 0, 0}, 16},   /* link-local; metadata is 169.254.169.254 */
    {{172, 16, 0, 0}, 12},    /* private */
    {{192, 0, 0, 0}, 24},     /* protocol assignments; Oracle's metadata is 192.0.0.192 */
    {{192, 0, 2, 0}, 24},     /* TEST-NET-1 */
    {{192, 88, 99, 0}, 24},   /* 6to4 relays */
    {{192, 168, 0, 0}, 16},   /* private */
    {{198, 18, 0, 0}, 15},    /* benchmarks */
    {{198, 51, 100, 0}, 24},  /* TEST-NET-2 */
    {{203, 0, 113, 0}, 24},   /* TEST-NET-3 */
    {{224, 0, 0, 0}, 4},      /* multicast */
    {{240, 0, 0, 0}, 4},      /* reserved, and broadcast */
};

/* Ranges inside 2000::/3 that are refused; outside of it only the mapped and NAT64 forms pass. */
static const struct config_cidr refused_v6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments: Teredo, ORCHID, benchmarks */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: an IPv4 address in disguise, long deprecated */
    {{0x3f, 0xff}, 20},             /* documentation */
};

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
static const uint8_t nat64_prefix[12] = {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};

static uint32_t load_v4(const uint8_t bytes[static 4])
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool public_v4(const uint8_t bytes[static 4])
{
    uint32_t address = load_v4(bytes);
    for (size_t i = 0; i < sizeof refused_v4 / sizeof refused_v4[0]; i++) {
        uint32_t mask = UINT32_MAX << (32 - refused_v4[i].prefix_bits);
        if ((address & mask) == load_v4(refused_v4[i].address))
            return false;
    }
    return true;
}

static bool public_address(const uint8_t address[static 16])
{
    if (memcmp(address, mapped_prefix, sizeof mapped_prefix) == 0 ||
        memcmp(address, nat64_prefix, sizeof nat64_prefix) == 0)
        return public_v4(address + 12);
    if ((address[0] & 0xe0) != 0x20)
        return false;
    for (size_t i = 0; i < sizeof refused_v6 / sizeof refused_v6[0]; i++) {
        if (config_cidr_contains(&refused_v6[i], address))
            return false;
    }
    return true;
}

bool http_address_allowed(const struct http_address_policy *policy,
                          const uint8_t address[static 16])
{
    if (policy == NULL || !policy->public_only || public_address(address))
        return true;
    for (size_t i = 0; i < policy->allow_count; i++) {
        if (config_cidr_contains(&policy->allow[i], address))
            return true;
    }
    return false;
}
