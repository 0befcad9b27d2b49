/*
 * Fills the store of a data directory that `lotcast serve` has made (and is not serving now) with
 * customers whose ads run, as they are after a month: so that a bench can be made over many.
 *
 *   bench_customers DATA-DIRECTORY CUSTOMERS SESSIONS
 *
 * Sessions are spread evenly over the customers. Prints a line for each session, its token and the
 * itemCount that its dashboard has to show, which no other customer has: by it bench_load sees that
 * an answer is the right one. Nobody's password fits, no token opens at Meta, and there are no
 * jobs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/model/period.h"
#include "rpc/services/session.h"
#include "store/client.h"
#include "store/store.h"

#define CUSTOMERS_MAX 10000000
#define SESSIONS_MAX 100000000
#define CUSTOMERS_A_COMMIT 100
#define CALL_MS 60000
#define DRAIN_MS 5000
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define DAYS 31
#define WELCOME_CENTI 2518700
#define TEXT_BYTES 160
#define SEALED_BYTES 240

static _Noreturn void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_customers: %s: %s\n", what, why);
    exit(1);
}

static void expect_ok(const char *what, enum rpc_code code, const struct rpc_status *status)
{
    if (code != RPC_OK)
        give_up(what, status->message);
}

/* One customer's numbers, the same in every run. */
struct customer {
    int64_t id;
    int64_t now_ms;
    uint64_t seed;
};

static int64_t figure(struct customer *customer, int64_t least, int64_t most)
{
    customer->seed = customer->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return least + (int64_t)((customer->seed >> 33) % (uint64_t)(most - least + 1));
}

static void put_account(struct store_commit *commit, const struct customer *customer)
{
    char email[TEXT_BYTES];
    char company[TEXT_BYTES];
    (void)snprintf(email, sizeof email, "owner-%" PRId64 "@dealer.example", customer->id);
    (void)snprintf(company, sizeof company, "Dealer %" PRId64 " Motors", customer->id);
    Lotcast__V1__UserRecord user = LOTCAST__V1__USER_RECORD__INIT;
    user.user_id = customer->id;
    user.email_key = email;
    user.email = email;
    user.name = (char *)"Sam Owner";
    user.role = LOTCAST__V1__ROLE__ROLE_CUSTOMER;
    user.customer_id = customer->id;
    user.password_hash = (char *)"$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    user.created_at_ms = customer->now_ms - DAYS * DAY_MS;
    (void)store_commit_put_new(commit, &user);
    Lotcast__V1__CustomerRecord record = LOTCAST__V1__CUSTOMER_RECORD__INIT;
    record.customer_id = customer->id;
    record.company = company;
    record.created_at_ms = user.created_at_ms;
    (void)store_commit_put_new(commit, &record);
}

static void put_site_and_ads(struct store_commit *commit, struct customer *customer)
{
    char url[TEXT_BYTES];
    uint8_t sealed[SEALED_BYTES];
    (void)snprintf(url, sizeof url, "https://www.dealer-%" PRId64 ".example/inventory",
                   customer->id);
    Lotcast__V1__WebsiteRecord website = LOTCAST__V1__WEBSITE_RECORD__INIT;
    website.customer_id = customer->id;
    website.url = url;
    website.last_read_at_ms = customer->now_ms - figure(customer, DAY_MS / 24, DAY_MS);
    website.item_count = customer->id;
    (void)store_commit_put_new(commit, &website);
    memset(sealed, (int)(customer->id & 0xff), sizeof sealed);
    Lotcast__V1__MetaConnectionRecord connection = LOTCAST__V1__META_CONNECTION_RECORD__INIT;
    connection.customer_id = customer->id;
    connection.token_sealed = (ProtobufCBinaryData){sizeof sealed, sealed};
    connection.meta_user_id = (char *)"10158000000000001";
    connection.connected_at_ms = customer->now_ms - DAYS * DAY_MS;
    connection.ad_account_id = (char *)"act_1200000000000001";
    connection.page_id = (char *)"1100000000000001";
    connection.business_id = (char *)"1300000000000001";
    (void)store_commit_put_new(commit, &connection);
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    campaign.customer_id = customer->id;
    campaign.ad_account_id = connection.ad_account_id;
    campaign.currency = (char *)"USD";
    campaign.catalog_id = (char *)"1400000000000001";
    campaign.product_set_id = (char *)"1500000000000001";
    campaign.campaign_id = (char *)"1600000000000001";
    campaign.ad_set_id = (char *)"1700000000000001";
    campaign.creative_id = (char *)"1800000000000001";
    campaign.ad_id = (char *)"1900000000000001";
    campaign.state = LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE;
    campaign.monthly_budget_minor = 250000;
    campaign.launched_at_ms = connection.connected_at_ms;
    campaign.last_sync_at_ms = website.last_read_at_ms;
    campaign.catalog_items = customer->id;
    (void)store_commit_put_new(commit, &campaign);
}

/* The welcome credits, posted as the product does; the rest of a month's burn is left out. */
static void put_ledger(struct store_commit *commit, const struct customer *customer)
{
    char reference[TEXT_BYTES];
    (void)snprintf(reference, sizeof reference, "signup:%" PRId64, customer->id);
    Lotcast__V1__LedgerEntryRecord entry = LOTCAST__V1__LEDGER_ENTRY_RECORD__INIT;
    entry.account = (char *)"customer";
    entry.customer_id = customer->id;
    entry.entry_no = 1;
    entry.kind = LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_SIGNUP;
    entry.amount_centi = WELCOME_CENTI;
    entry.balance_centi = WELCOME_CENTI;
    entry.at_ms = customer->now_ms - DAYS * DAY_MS;
    entry.reference = reference;
    (void)store_commit_put_new(commit, &entry);
    entry.account = (char *)"grants";
    entry.amount_centi = -WELCOME_CENTI;
    entry.balance_centi = 0;
    (void)store_commit_put_new(commit, &entry);
    Lotcast__V1__LedgerPostingRecord posting = LOTCAST__V1__LEDGER_POSTING_RECORD__INIT;
    posting.reference = reference;
    posting.customer_id = customer->id;
    posting.entry_no = 1;
    (void)store_commit_put_new(commit, &posting);
    Lotcast__V1__LedgerBalanceRecord balance = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    balance.customer_id = customer->id;
    balance.balance_centi = WELCOME_CENTI;
    balance.entries = 1;
    (void)store_commit_put_new(commit, &balance);
    (void)store_commit_add(commit, "ledger:grants", -WELCOME_CENTI);
}

static void put_insights(struct store_commit *commit, struct customer *customer)
{
    int32_t today = period_today(NULL, customer->now_ms);
    Lotcast__V1__InsightPeriodRecord sum = LOTCAST__V1__INSIGHT_PERIOD_RECORD__INIT;
    for (int32_t day = today - DAYS; day < today; day++) {
        Lotcast__V1__InsightDayRecord record = LOTCAST__V1__INSIGHT_DAY_RECORD__INIT;
        record.customer_id = customer->id;
        record.day = day;
        record.impressions = figure(customer, 1000, 9000);
        record.clicks = record.impressions / figure(customer, 30, 80);
        record.reach = record.impressions / 2;
        record.spend_minor = figure(customer, 1500, 4000);
        sum.impressions += record.impressions;
        sum.clicks += record.clicks;
        sum.reach += record.reach / 2;
        sum.spend_minor += record.spend_minor;
        (void)store_commit_put_new(commit, &record);
    }
    sum.customer_id = customer->id;
    sum.first_day = today - DAYS;
    sum.last_day = today - 1;
    for (int period = LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_7D;
         period <= LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_LIFETIME; period++) {
        sum.period = period;
        (void)store_commit_put_new(commit, &sum);
    }
}

static void put_sessions(struct store_commit *commit, const struct customer *customer,
                         int64_t sessions)
{
    for (int64_t i = 0; i < sessions; i++) {
        char token[SESSION_TOKEN_BYTES];
        uint8_t hash[RPC_SESSION_HASH_BYTES];
        session_token_make(token);
        if (!session_token_hash(token, hash))
            give_up("a session", "has no hash");
        Lotcast__V1__SessionRecord session = LOTCAST__V1__SESSION_RECORD__INIT;
        session.token_hash = (ProtobufCBinaryData){sizeof hash, hash};
        session.user_id = customer->id;
        session.customer_id = customer->id;
        session.role = LOTCAST__V1__ROLE__ROLE_CUSTOMER;
        session.created_at_ms = customer->now_ms;
        session.expires_at_ms = customer->now_ms + SESSION_LIFETIME_MS;
        (void)store_commit_put_new(commit, &session);
        (void)printf("%s %" PRId64 "\n", token, customer->id);
    }
}

static void fill(struct store_client *client, int64_t customers, int64_t sessions)
{
    struct arena arena;
    struct rpc_status status;
    int64_t first_id;
    int64_t now_ms = clock_now_ms();
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    struct rpc_context take = {.arena = &arena, .deadline_ms = clock_mono_ms() + CALL_MS};
    expect_ok("numbers", store_numbers_take(client, &take, "user", customers, &first_id, &status),
              &status);
    for (int64_t done = 0; done < customers; done += CUSTOMERS_A_COMMIT) {
        struct rpc_context context = {.arena = &arena, .deadline_ms = clock_mono_ms() + CALL_MS};
        struct store_commit commit;
        store_commit_init(&commit, client, &context);
        for (int64_t i = done; i < done + CUSTOMERS_A_COMMIT && i < customers; i++) {
            struct customer customer = {.id = first_id + i, .now_ms = now_ms};
            customer.seed = (uint64_t)customer.id * UINT64_C(0x9e3779b97f4a7c15);
            put_account(&commit, &customer);
            put_site_and_ads(&commit, &customer);
            put_ledger(&commit, &customer);
            put_insights(&commit, &customer);
            put_sessions(&commit, &customer,
                         sessions / customers + (i < sessions % customers ? 1 : 0));
        }
        expect_ok("commit", store_commit_send(&commit, &context, NULL, &status), &status);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void run(const char *directory, int64_t customers, int64_t sessions)
{
    const struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct store *store = NULL;
    struct rpc_server *server = NULL;
    struct rpc_channel *channel = NULL;
    struct rpc_status status;
    expect_ok("registry", registry_create(&sources, &registry, &status), &status);
    const struct store_options store_options = {.directory = directory, .registry = registry};
    expect_ok("store", store_open(&store_options, &store, &status), &status);
    const struct rpc_server_options options = {.name = "store",
                                               .registry = registry,
                                               .services = store_service(store),
                                               .service_count = 1};
    expect_ok("server", rpc_server_create(&options, &server, &status), &status);
    const struct rpc_channel_options channel_options = {.url = "direct:", .server = server};
    expect_ok("channel", rpc_channel_open(&channel_options, &channel, &status), &status);
    struct store_client *client = store_client_create(channel, registry);
    if (client == NULL)
        give_up("client", "out of memory");
    fill(client, customers, sessions);
    store_client_destroy(client);
    rpc_channel_close(channel);
    rpc_server_drain(server, DRAIN_MS);
    rpc_server_destroy(server);
    store_close(store);
    registry_destroy(registry);
}

int main(int argc, char **argv)
{
    char directory[4096];
    int64_t customers = argc == 4 ? strtoll(argv[2], NULL, 10) : 0;
    int64_t sessions = argc == 4 ? strtoll(argv[3], NULL, 10) : 0;
    if (customers < 1 || customers > CUSTOMERS_MAX || sessions < 1 || sessions > SESSIONS_MAX) {
        (void)fprintf(stderr, "bench_customers DATA-DIRECTORY CUSTOMERS SESSIONS\n");
        return 2;
    }
    if ((size_t)snprintf(directory, sizeof directory, "%s/store", argv[1]) >= sizeof directory)
        give_up(argv[1], "is too long a path");
    run(directory, customers, sessions);
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? 0 : 1;
}
