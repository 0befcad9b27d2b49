#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "rpc/services/model/password.h"
#include "rpc/services/model/standing.h"
#include "rpc/services/model/text.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define NOW_MS INT64_C(1770408000000)

/* `count` times `unit`, malloc'ed. */
static char *repeat(const char *unit, size_t count, const char *tail)
{
    size_t unit_len = strlen(unit);
    char *text = malloc(unit_len * count + strlen(tail) + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * unit_len, unit, unit_len);
    memcpy(text + unit_len * count, tail, strlen(tail) + 1);
    return text;
}

static void takes_good_passwords(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "korrektes Pferd",  "x7!kq2Zp",          "пароль-мой-длинный",  "🦊🦊🦊x",
        "acme@example.org", "        aaaaaaaab", "abcdefgh-not-listed",
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_true(password_acceptable(rows[i], "john@acme.com"));
    char *longest = repeat("ab", 128, "");
    assert_true(password_acceptable(longest, "john@acme.com"));
    free(longest);
}

static void refuses_weak_passwords(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "short",
        "1234567",
        "password",
        "PASSWORD",
        "Password1",
        "12345678",
        "qwertyuiop",
        "iloveyou",
        "john@acme.com",
        "JOHN@Acme.COM",
        "aaaaaaaa",
        "zzzzzzzzzzzzzzzzzzzz",
        "ääääääää",
        "\xff\xfe zzzzzzz",
        "abc\xc3zzzzz",
        "p@ssw0rd",
        "Trustno1",
        "ЯЯЯЯЯЯЯЯ",
        "\xed\xa0\x80zzzzzzzz",
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_false(password_acceptable(rows[i], "john@acme.com"));
    char *longer = repeat("ab", 128, "c");
    assert_false(password_acceptable(longer, "john@acme.com"));
    free(longer);
}

static void keeps_the_common_ones_sorted(void **state)
{
    (void)state;
    assert_true(password__common_count > 1000);
    for (size_t i = 0; i < password__common_count; i++) {
        assert_true(strlen(password__common[i]) >= PASSWORD_BYTES_MIN);
        assert_null(strpbrk(password__common[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
        assert_false(password_acceptable(password__common[i], "john@acme.com"));
        if (i > 0)
            assert_true(strcmp(password__common[i - 1], password__common[i]) < 0);
    }
}

static void takes_good_emails(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "john@acme.com", "a@b.co",        "john.doe+ads@mail.acme.co.uk", "o'neil@acme.com",
        "x_y-z@a-b.c1",  "JOHN@ACME.COM", "müller@büro.example",          "1@2.de",
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_true(text_email_valid(rows[i]));
    char *local = repeat("a", 64, "@acme.com");
    assert_true(text_email_valid(local));
    free(local);
}

static void refuses_bad_emails(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "john",
        "@acme.com",
        "john@",
        "john@acme",
        "john@@acme.com",
        "john@acme..com",
        "john@.acme.com",
        "john@acme.com.",
        ".john@acme.com",
        "john.@acme.com",
        "jo..hn@acme.com",
        "john @acme.com",
        " john@acme.com",
        "john@acme.com ",
        "john@acme.com\r\nBcc: x@y.z",
        "john\n@acme.com",
        "john@-acme.com",
        "john@acme-.com",
        "john@acme_x.com",
        "\"john\"@acme.com",
        "john@[127.0.0.1]",
        "john@127.0.0.1",
        "john@acme.123",
        "<john@acme.com>",
        "john@acme.com,x@y.z",
        "john(x)@acme.com",
        "john@acme.com\x7f",
        "john\xc2\x85@acme.com",
        "jo\xe2\x80\x8bhn@acme.com",
        "jo\xe2\x80\xaehn@acme.com",
        "jo\xff@acme.com",
        "\xef\xbb\xbfjohn@acme.com",
        "john\\@acme.com",
        "john@ac\tme.com",
        "a@b@c.de",
        "john@ex\xc2\xa0mple.com",
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_false(text_email_valid(rows[i]));
    char *local = repeat("a", 65, "@acme.com");
    assert_false(text_email_valid(local));
    free(local);
    char *label = repeat("a", 64, ".com");
    char address[80] = "j@";
    memcpy(address + 2, label, strlen(label) + 1);
    assert_false(text_email_valid(address));
    free(label);
    char *whole = repeat("abcdefg.", 32, "com"); /* 259 bytes */
    whole[1] = '@';
    assert_false(text_email_valid(whole));
    free(whole);
}

static void compares_emails_without_case(void **state)
{
    (void)state;
    char key[TEXT_EMAIL_BYTES_MAX + 1];
    text_email_key("John.DOE@Acme.COM", key);
    assert_string_equal(key, "john.doe@acme.com");
    text_email_key("ÄÖ@Büro.De", key);
    assert_string_equal(key, "ÄÖ@büro.de");
}

static void trims_names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"Acme Auto", "Acme Auto"},
        {"  Acme  ", "Acme"},
        {"", ""},
        {"   ", ""},
        {"\xc2\xa0"
         "Acme\xc2\xa0 ",
         "Acme"},
        {"\xe3\x80\x80é", "é"},
        {"<b>A & B</b>", "<b>A & B</b>"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t start = 99;
        size_t len = 99;
        assert_true(text_name(rows[i].text, &start, &len));
        assert_int_equal(len, strlen(rows[i].want));
        assert_memory_equal(rows[i].text + start, rows[i].want, len);
    }
    static const char *const bad[] = {
        "Acme\n",       "\tAcme",           "Ac\rme",           "Ac\x01me", "Ac\x7fme",
        "Ac\xc2\x85me", "Ac\xe2\x80\xa8me", "Ac\xe2\x80\xa9me", "Ac\xffme",
    };
    size_t start;
    size_t len;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(text_name(bad[i], &start, &len));
    char *longest = repeat("a", 200, "  ");
    assert_true(text_name(longest, &start, &len));
    free(longest);
    char *longer = repeat("a", 201, "");
    assert_false(text_name(longer, &start, &len));
    free(longer);
}

static void takes_paths_to_return_to(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "/app/settings",          "/app/",
        "/onboarding/launch",     "/app/ads/status",
        "/app/settings?tab=meta", "/app/x?a=%20b&c=d/e",
        "/app/settings/",         "/app/a.b/c~d_e-f",
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_true(text_return_to_valid(rows[i]));
}

static void refuses_paths_that_lead_away(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "/",
        "/app",
        "/admin/customers",
        "/api/auth/logout",
        "app/settings",
        "//evil",
        "//evil/app/",
        "/\\evil",
        "/app\\evil",
        "/app/\\evil",
        "/%5cevil",
        "/app/%5cevil",
        "/app/%2f%2fevil",
        "https:evil",
        "https://evil/app/",
        "/app/..//evil",
        "/app/../admin",
        "/app/./x",
        "/app/.x",
        "/app//evil",
        "/app/%2e%2e/x",
        "/app/x\r\nSet-Cookie: a=b",
        "/app/x%0d%0aSet-Cookie:a",
        "/app/x\n",
        "/app/x?a=%0d%0aB",
        "/app/x?a=%7f",
        "/app/x?a=%zz",
        "/app/x?a=%2",
        "/app/x?a=%",
        "/app/x#y",
        "/app/x?y#z",
        "/app/x y",
        "/app/x?a b",
        "/app/x;y",
        "/app/@evil",
        "/app/é",
        "/app/x?é",
        "/app/x?\\",
        "/APP/settings",
        "/onboardingx/",
        "/app/x\t",
        "/app/x?\"",
        "/app/x?<script>",
        "javascript:/app/",
        "/onboarding/..",
        "/app/%00",
        "/app/x?a=%00",
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_false(text_return_to_valid(rows[i]));
    char *longest = repeat("a", 600, "");
    memcpy(longest, "/app/", 5);
    assert_false(text_return_to_valid(longest));
    free(longest);
}

/* A customer whose ads run, to be made worse by each row. */
struct stand {
    Lotcast__V1__CustomerRecord customer;
    Lotcast__V1__WebsiteRecord website;
    Lotcast__V1__MetaConnectionRecord connection;
    Lotcast__V1__CampaignRecord campaign;
    struct standing_facts facts;
};

static void stand_init(struct stand *stand)
{
    static uint8_t sealed[1] = {1};
    lotcast__v1__customer_record__init(&stand->customer);
    lotcast__v1__website_record__init(&stand->website);
    lotcast__v1__meta_connection_record__init(&stand->connection);
    lotcast__v1__campaign_record__init(&stand->campaign);
    stand->website.last_read_at_ms = NOW_MS - DAY_MS;
    stand->connection.token_sealed = (ProtobufCBinaryData){.len = 1, .data = sealed};
    stand->connection.token_expires_at_ms = NOW_MS + 60 * DAY_MS;
    stand->campaign.state = LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE;
    stand->facts = (struct standing_facts){
        .customer = &stand->customer,
        .website = &stand->website,
        .connection = &stand->connection,
        .campaign = &stand->campaign,
        .balance_centi = 824000,
        .has_days_estimate = true,
        .days_estimate = 14,
        .now_ms = NOW_MS,
    };
}

enum flaw {
    SUSPENDED = 1,
    NO_WEBSITE = 2,
    NOT_LAUNCHED = 4,
    NO_CREDITS = 8,
    TOKEN_DEAD = 16,
    TOKEN_OVER = 32,
    SYNC_FAILED = 64,
    PAUSED = 128,
    DISCONNECTED = 256,
    TOKEN_SOON = 512,
    FEW_DAYS = 1024,
    NO_ESTIMATE = 2048,
    NO_CONNECTION = 4096,
    READING = 8192,
};

static void spoil(struct stand *stand, unsigned flaws)
{
    stand->customer.suspended = (flaws & SUSPENDED) != 0;
    stand->connection.token_dead = (flaws & TOKEN_DEAD) != 0;
    stand->campaign.sync_failed = (flaws & SYNC_FAILED) != 0;
    if (flaws & NO_WEBSITE)
        stand->facts.website = NULL;
    if (flaws & READING) {
        stand->website.last_read_at_ms = 0;
        stand->website.first_scan_pending = true;
    }
    if (flaws & NOT_LAUNCHED)
        stand->facts.campaign = NULL;
    if (flaws & NO_CREDITS)
        stand->facts.balance_centi = 0;
    if (flaws & TOKEN_OVER)
        stand->connection.token_expires_at_ms = NOW_MS;
    if (flaws & TOKEN_SOON)
        stand->connection.token_expires_at_ms = NOW_MS + 14 * DAY_MS;
    if (flaws & PAUSED)
        stand->campaign.state = LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_PAUSED;
    if (flaws & DISCONNECTED)
        stand->connection.token_sealed.len = 0;
    if (flaws & NO_CONNECTION)
        stand->facts.connection = NULL;
    if (flaws & FEW_DAYS)
        stand->facts.days_estimate = 2;
    if (flaws & NO_ESTIMATE)
        stand->facts.has_days_estimate = false;
}

static void finds_status_and_suggestion(void **state)
{
    (void)state;
    static const struct {
        unsigned flaws;
        const char *status;
        const char *suggestion; /* its id; NULL: none */
        const char *link;
    } rows[] = {
        {0, "running", NULL, NULL},
        {PAUSED, "paused", NULL, NULL},
        {SYNC_FAILED, "attention", "sync-failed", "/app/ads"},
        {SYNC_FAILED | PAUSED, "attention", "sync-failed", "/app/ads"},
        {TOKEN_DEAD, "attention", "meta-reconnect", "/app/settings"},
        {TOKEN_OVER, "attention", "meta-reconnect", "/app/settings"},
        {TOKEN_SOON, "running", "meta-renew", "/app/settings"},
        {DISCONNECTED | PAUSED, "paused", "meta-reconnect", "/app/settings"},
        {DISCONNECTED | PAUSED | SYNC_FAILED, "paused", "meta-reconnect", "/app/settings"},
        {NO_CONNECTION | PAUSED, "paused", "meta-reconnect", "/app/settings"},
        {NO_CREDITS, "out_of_credits", "credits-low", "/app/billing"},
        {NO_CREDITS | NO_ESTIMATE, "out_of_credits", "credits-low", "/app/billing"},
        {NO_CREDITS | SYNC_FAILED | PAUSED, "out_of_credits", "credits-low", "/app/billing"},
        {NO_CREDITS | TOKEN_DEAD, "out_of_credits", "meta-reconnect", "/app/settings"},
        {FEW_DAYS, "running", "credits-low", "/app/billing"},
        {FEW_DAYS | NO_ESTIMATE, "running", NULL, NULL},
        {FEW_DAYS | SYNC_FAILED, "attention", "credits-low", "/app/billing"},
        {NOT_LAUNCHED, "setup", "onboarding-launch", "/onboarding/launch"},
        {NOT_LAUNCHED | NO_CREDITS, "setup", "onboarding-launch", "/onboarding/launch"},
        {NOT_LAUNCHED | NO_CONNECTION, "setup", "onboarding-launch", "/onboarding/launch"},
        {NOT_LAUNCHED | NO_WEBSITE, "setup", "onboarding-connect", "/onboarding/connect"},
        {NOT_LAUNCHED | READING, "setup", "onboarding-launch", "/onboarding/launch"},
        {NO_WEBSITE, "running", NULL, NULL},
        {SUSPENDED, "suspended", NULL, NULL},
        {SUSPENDED | NOT_LAUNCHED | NO_WEBSITE, "suspended", "onboarding-connect",
         "/onboarding/connect"},
        {SUSPENDED | NO_CREDITS | SYNC_FAILED | PAUSED, "suspended", "credits-low", "/app/billing"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct stand stand;
        stand_init(&stand);
        spoil(&stand, rows[i].flaws);
        assert_string_equal(standing_status(&stand.facts), rows[i].status);
        const struct standing_suggestion *found = standing_suggest(&stand.facts);
        if (rows[i].suggestion == NULL) {
            assert_null(found);
            continue;
        }
        assert_non_null(found);
        assert_string_equal(found->id, rows[i].suggestion);
        assert_string_equal(found->link, rows[i].link);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_good_passwords),
        cmocka_unit_test(refuses_weak_passwords),
        cmocka_unit_test(keeps_the_common_ones_sorted),
        cmocka_unit_test(takes_good_emails),
        cmocka_unit_test(refuses_bad_emails),
        cmocka_unit_test(compares_emails_without_case),
        cmocka_unit_test(trims_names),
        cmocka_unit_test(takes_paths_to_return_to),
        cmocka_unit_test(refuses_paths_that_lead_away),
        cmocka_unit_test(finds_status_and_suggestion),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
