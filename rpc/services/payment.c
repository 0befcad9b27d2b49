/*
 * One change of a purchase is one commit: the record, expected at the version that was read, the
 * ledger's postings, the campaign's reasons to pause, and the kept events that it uses up. So two
 * that bring the same news at once cannot both post, and a kill at any point leaves all of it or
 * nothing.
 *
 * An event about a payment that is not known (not paid yet, by what we have heard) is kept by its
 * payment_intent. Who pays for a purchase applies what is kept in the same commit, and looks again
 * after it; who keeps an event looks after its commit whether the payment is known by now. One of
 * the two sees the other, so nothing stays behind.
 *
 * Postings are differences between what the customer is to have of the purchase
 * (purchase_grant_centi) and what the ledger says (granted_centi).
 */
#include "rpc/services/payment.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/base/metrics.h"
#include "rpc/services/credits.h"
#include "rpc/services/model/purchase.h"

/* Changes of one purchase that race: each copy of each event, at once. */
#define TRIES_MAX 24
#define RACE_WAIT_MS 4
/* Kept events that one commit uses up. */
#define KEPT_MAX 16
/* The payment and each kept event post once at most, and the event at hand. */
#define POSTINGS_MAX (KEPT_MAX + 2)
/* Longest id of Stripe's that is a key here, in bytes. */
#define ID_BYTES_MAX 100
/* Stripe repeats its events for days, and a payment by bank may take two weeks. */
#define KEPT_LIFETIME_MS (INT64_C(45) * 24 * 3600 * 1000)
#define SWEEP_MAX 64
/* Purchases of one customer that are looked through for other disputes. */
#define PURCHASES_MAX 1000

static struct metric refused_metric = METRIC_COUNTER(
    "lotcast_payments_refused_total", "Payments reported by Stripe that are not of ours.");

void payment_metrics_register(void)
{
    metrics_register(&refused_metric);
}

/* A change of one purchase, on its way into a commit. */
struct change {
    struct services *services;
    struct rpc_context *context;
    Lotcast__V1__PurchaseRecord *purchase; /* as it was read, changed as it is to be */
    uint64_t version;
    struct store_commit commit;
    struct ledger_posting postings[POSTINGS_MAX];
    size_t posting_count;
    bool dispute_begun, dispute_won;
    bool changed;
};

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

/* Nothing that Stripe could do better by sending it again: logged, counted, and done. */
static enum rpc_code refuse(const struct rpc_context *context, const char *why, const char *id)
{
    metric_add(&refused_metric, 1);
    log_event(LOG_LEVEL_ERROR, "stripe_payment_refused", log_text("why", why),
              log_text("object", id), log_text("request_id", context->request_id));
    return RPC_OK;
}

/* Lets the others of a race go first. */
static void race_wait(int try)
{
    long ms = 1 + (long)randombytes_uniform((uint32_t)(RACE_WAIT_MS * (try + 1)));
    struct timespec pause = {0, ms * 1000000L};
    (void)nanosleep(&pause, NULL);
}

/* --- what the facts mean for the ledger --- */

/* Posts what the customer's share of the purchase has changed by. */
static bool post_difference(struct change *change, Lotcast__V1__LedgerKind kind,
                            const char *reference)
{
    Lotcast__V1__PurchaseRecord *purchase = change->purchase;
    int64_t grant = purchase_grant_centi(purchase);
    int64_t difference = grant - purchase->granted_centi;
    change->changed = true;
    purchase->granted_centi = grant;
    if (difference == 0)
        return true;
    if (reference == NULL || change->posting_count == POSTINGS_MAX)
        return false;
    change->postings[change->posting_count++] = (struct ledger_posting){
        .kind = kind,
        .amount_centi = difference,
        .account = "payments",
        .reference = reference,
        .at_ms = clock_now_ms(),
    };
    return true;
}

/* Whether a charge's or a dispute's event can be about this purchase. */
static bool event_fits(const struct change *change, const struct stripe_event *event)
{
    const Lotcast__V1__PurchaseRecord *purchase = change->purchase;
    bool whole = event->kind == STRIPE_EVENT_REFUNDED;
    return event->livemode == stripe_client_livemode(change->services->options.stripe) &&
           (event->currency[0] == '\0' || strcasecmp(event->currency, purchase->currency) == 0) &&
           (!whole || event->amount < 0 || event->amount == purchase->amount_minor);
}

static bool apply_refund(struct change *change, const struct stripe_event *event)
{
    Lotcast__V1__PurchaseRecord *purchase = change->purchase;
    if (!purchase_take_refund(purchase, event->amount_refunded))
        return true;
    const char *reference =
        arena_printf(change->context->arena, "stripe:%s:refund:%lld", purchase->payment_intent,
                     (long long)purchase->refunded_minor);
    return post_difference(change, LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_REFUND, reference);
}

static bool apply_dispute(struct change *change, const struct stripe_event *event)
{
    struct arena *arena = change->context->arena;
    Lotcast__V1__DisputeState state = LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_OPEN;
    if (event->kind == STRIPE_EVENT_DISPUTE_CLOSED) {
        if (strcmp(event->status, "won") == 0)
            state = LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_WON;
        else if (strcmp(event->status, "lost") == 0)
            state = LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_LOST;
        else
            return true; /* an inquiry that came to nothing */
    } else if (strncmp(event->status, "warning_", strlen("warning_")) == 0) {
        return true; /* an inquiry takes nothing */
    }
    /* A dispute that does not say how much is about all of it. */
    int64_t amount = event->amount < 0 ? change->purchase->amount_minor : event->amount;
    size_t before = change->purchase->n_disputes;
    if (!purchase_take_dispute(change->purchase, arena, event->object_id, amount, state))
        return true;
    bool won = state == LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_WON;
    change->dispute_won = change->dispute_won || won;
    /* One that is lost pauses no second time: an admin may have resumed. */
    if (!won && change->purchase->n_disputes > before)
        change->dispute_begun = true;
    const char *reference = arena_printf(arena, "stripe:%s%s", event->object_id, won ? ":won" : "");
    return post_difference(change, LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_DISPUTE, reference);
}

/* False when out of memory. */
static bool apply_event(struct change *change, const struct stripe_event *event)
{
    if (!event_fits(change, event)) {
        (void)refuse(change->context, "it differs from the purchase", event->object_id);
        return true;
    }
    return event->kind == STRIPE_EVENT_REFUNDED ? apply_refund(change, event)
                                                : apply_dispute(change, event);
}

/* --- commits --- */

/*
 * Whether another purchase of the customer is in dispute. If so, the commit expects that one as it
 * is: of two that are won at once, one sees the other.
 */
static enum rpc_code other_dispute(struct change *change, bool *ret_disputed,
                                   struct rpc_status *status)
{
    struct store_read_op op = {.record = &lotcast__v1__purchase_record__descriptor,
                               .index = "by_customer",
                               .key = store_key(store_number(change->purchase->customer_id)),
                               .is_range = true,
                               .reverse = true,
                               .limit = PURCHASES_MAX};
    enum rpc_code code =
        store_read(change->services->options.store, change->context, &op, 1, status);
    bool disputed = false;
    for (size_t i = 0; code == RPC_OK && !disputed && i < op.ret_row_count; i++) {
        const Lotcast__V1__PurchaseRecord *row = (const void *)op.ret_rows[i];
        if (row->purchase_id == change->purchase->purchase_id || !purchase_is_disputed(row))
            continue;
        disputed = true;
        (void)store_commit_check(&change->commit, op.record,
                                 store_key(store_number(row->purchase_id)), op.ret_versions[i]);
    }
    *ret_disputed = disputed;
    return code;
}

static enum rpc_code decide_pause(struct change *change, enum credits_dispute *ret_dispute,
                                  struct rpc_status *status)
{
    bool disputed = purchase_is_disputed(change->purchase);
    bool other = false;
    enum rpc_code code = RPC_OK;
    if (change->dispute_won && !disputed)
        code = other_dispute(change, &other, status);
    *ret_dispute = change->dispute_begun && disputed            ? CREDITS_DISPUTE_PAUSES
                   : change->dispute_won && !disputed && !other ? CREDITS_DISPUTE_OVER
                                                                : CREDITS_DISPUTE_AS_IT_IS;
    return code;
}

static void change_begin(struct change *change, struct services *services,
                         struct rpc_context *context)
{
    *change = (struct change){.services = services, .context = context};
    store_commit_init(&change->commit, services->options.store, context);
}

/* RPC_ABORTED: read again. */
static enum rpc_code change_send(struct change *change, struct rpc_status *status)
{
    enum credits_dispute dispute;
    enum rpc_code code = decide_pause(change, &dispute, status);
    if (code != RPC_OK)
        return code;
    const struct credits_change credits = {change->postings, change->posting_count, dispute};
    if (change->changed)
        (void)store_commit_put_version(&change->commit, change->purchase, change->version);
    code = credits_append(change->services, change->context, &change->commit,
                          change->purchase->customer_id, &credits, NULL, status);
    if (code == RPC_OK && change->commit.count > 0)
        code = credits_send(change->services, change->context, &change->commit, status);
    return code;
}

/* --- kept events --- */

static struct store_read_op kept_op(const char *payment_intent)
{
    return (struct store_read_op){.record = &lotcast__v1__stripe_event_record__descriptor,
                                  .key = store_key(store_text(payment_intent)),
                                  .is_range = true,
                                  .limit = KEPT_MAX};
}

/* Applies the kept events that were read, and removes them. False when out of memory. */
static bool apply_kept(struct change *change, const struct store_read_op *kept)
{
    for (size_t i = 0; i < kept->ret_row_count; i++) {
        const Lotcast__V1__StripeEventRecord *row = (const void *)kept->ret_rows[i];
        struct stripe_event event;
        if (stripe_event_parse(span_of(row->body.data, row->body.len), change->context->arena,
                               &event) &&
            !apply_event(change, &event))
            return false;
        (void)store_commit_delete(
            &change->commit, &lotcast__v1__stripe_event_record__descriptor,
            store_key(store_text(row->payment_intent), store_text(row->event_id)));
    }
    return true;
}

/* Removes some that nobody has claimed for too long. At its best. */
static void sweep_kept(struct services *services, struct rpc_context *context, int64_t now_ms)
{
    struct store_read_op op = {.record = &lotcast__v1__stripe_event_record__descriptor,
                               .index = "by_expiry",
                               .is_range = true,
                               .has_upper = true,
                               .upper = store_number(now_ms),
                               .limit = SWEEP_MAX};
    if (store_read(services->options.store, context, &op, 1, NULL) != RPC_OK ||
        op.ret_row_count == 0)
        return;
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    for (size_t i = 0; i < op.ret_row_count; i++) {
        const Lotcast__V1__StripeEventRecord *row = (const void *)op.ret_rows[i];
        (void)store_commit_delete(
            &commit, op.record,
            store_key(store_text(row->payment_intent), store_text(row->event_id)));
    }
    (void)!store_commit_send(&commit, context, NULL, NULL);
}

static enum rpc_code keep(struct services *services, struct rpc_context *context,
                          const struct stripe_event *event, struct span body,
                          struct rpc_status *status)
{
    int64_t now_ms = clock_now_ms();
    struct store_commit commit;
    Lotcast__V1__StripeEventRecord record = LOTCAST__V1__STRIPE_EVENT_RECORD__INIT;
    record.payment_intent = (char *)event->payment_intent;
    record.event_id = (char *)event->id;
    record.body = (ProtobufCBinaryData){.len = body.len, .data = (uint8_t *)body.data};
    record.received_at_ms = now_ms;
    record.expires_at_ms = now_ms + KEPT_LIFETIME_MS;
    sweep_kept(services, context, now_ms);
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put(&commit, &record);
    return store_commit_send(&commit, context, NULL, status);
}

/*
 * Applies to the payment's purchase what is kept for it, and `event` (NULL: none). RPC_NOT_FOUND:
 * no payment of ours is known by that id. `ret_more`: there was more kept than one commit takes.
 */
static enum rpc_code settle_once(struct services *services, struct rpc_context *context,
                                 const char *payment_intent, const struct stripe_event *event,
                                 bool *ret_more, struct rpc_status *status)
{
    struct change change;
    change_begin(&change, services, context);
    struct store_read_op ops[] = {{.record = &lotcast__v1__purchase_record__descriptor,
                                   .index = "by_payment",
                                   .key = store_key(store_text(payment_intent))},
                                  kept_op(payment_intent)};
    enum rpc_code code = store_read(services->options.store, context, ops, 2, status);
    if (code != RPC_OK)
        return code;
    change.purchase = services__row(&ops[0]);
    change.version = services__version(&ops[0]);
    if (change.purchase == NULL || !purchase_is_paid(change.purchase))
        return RPC_NOT_FOUND;
    *ret_more = ops[1].ret_cursor.len > 0;
    if (!apply_kept(&change, &ops[1]) || (event != NULL && !apply_event(&change, event)))
        return out_of_memory(status);
    return change_send(&change, status);
}

static enum rpc_code settle(struct services *services, struct rpc_context *context,
                            const char *payment_intent, const struct stripe_event *event,
                            struct rpc_status *status)
{
    enum rpc_code code = RPC_ABORTED;
    bool more = false;
    for (int try = 0; try < TRIES_MAX && (code == RPC_ABORTED || (code == RPC_OK && more)); try++) {
        if (code == RPC_ABORTED && try > 0)
            race_wait(try);
        more = false;
        code = settle_once(services, context, payment_intent, event, &more, status);
    }
    return code;
}

/* What a caller may see of a code. */
static enum rpc_code answer(enum rpc_code code, struct rpc_status *status)
{
    if (code == RPC_OK)
        return RPC_OK;
    return services__store_failed(code, status);
}

enum rpc_code payment_charge_event(struct services *services, struct rpc_context *context,
                                   const struct stripe_event *event, struct span body,
                                   struct rpc_status *status)
{
    /* Neither is a payment through Checkout. */
    if (event->payment_intent[0] == '\0' || event->object_id[0] == '\0' ||
        strlen(event->payment_intent) > ID_BYTES_MAX || strlen(event->id) > ID_BYTES_MAX ||
        strlen(event->object_id) > ID_BYTES_MAX)
        return refuse(context, "it names no payment", event->id);
    enum rpc_code code = settle(services, context, event->payment_intent, event, status);
    if (code != RPC_NOT_FOUND)
        return answer(code, status);
    code = keep(services, context, event, body, status);
    if (code == RPC_OK) /* it may have become known meanwhile */
        code = settle(services, context, event->payment_intent, NULL, status);
    return code == RPC_NOT_FOUND ? RPC_OK : answer(code, status);
}

/* --- sessions --- */

/* A decimal number of a purchase. */
static bool read_purchase_id(const char *text, int64_t *ret_id)
{
    size_t len = strlen(text);
    if (len == 0 || len > 18 || strspn(text, "0123456789") != len)
        return false;
    *ret_id = strtoll(text, NULL, 10);
    return true;
}

/*
 * The session's purchase: by the session, else by our number in it, if that purchase has no session
 * yet (we died between Stripe's answer and our commit) and the reference is the one that was made
 * for it. NULL with RPC_OK: it is not ours.
 */
static enum rpc_code find_purchase(struct change *change, const struct stripe_session *session,
                                   struct rpc_status *status)
{
    const ProtobufCMessageDescriptor *record = &lotcast__v1__purchase_record__descriptor;
    struct store_client *store = change->services->options.store;
    int64_t id;
    if (strlen(session->id) > ID_BYTES_MAX * 2)
        return RPC_OK;
    enum rpc_code code =
        store_get(store, change->context, record, "by_session", store_key(store_text(session->id)),
                  &change->purchase, &change->version, status);
    if (code != RPC_OK || change->purchase != NULL || !read_purchase_id(session->purchase_id, &id))
        return code;
    Lotcast__V1__PurchaseRecord *found;
    code = store_get(store, change->context, record, NULL, store_key(store_number(id)), &found,
                     &change->version, status);
    if (code != RPC_OK || found == NULL || found->session_id[0] != '\0' ||
        strcmp(found->request_key, session->client_reference_id) != 0)
        return code;
    found->session_id = (char *)session->id;
    found->checkout_url = (char *)session->url;
    change->purchase = found;
    return RPC_OK;
}

/* NULL, or in what the session differs from the purchase. */
static const char *difference(const struct change *change, const struct stripe_session *session)
{
    const Lotcast__V1__PurchaseRecord *purchase = change->purchase;
    if (session->livemode != stripe_client_livemode(change->services->options.stripe) ||
        (session->mode[0] != '\0' && strcmp(session->mode, "payment") != 0))
        return "its mode differs from the purchase";
    if (session->amount_total != purchase->amount_minor)
        return "its amount differs from the purchase";
    if (strcasecmp(session->currency, purchase->currency) != 0)
        return "its currency differs from the purchase";
    return NULL;
}

static enum rpc_code take_payment(struct change *change, const struct stripe_session *session,
                                  struct rpc_status *status)
{
    Lotcast__V1__PurchaseRecord *purchase = change->purchase;
    struct store_read_op kept = kept_op(session->payment_intent);
    bool fresh = purchase_take_payment(purchase, clock_now_ms());
    const char *reference = arena_printf(change->context->arena, "stripe:%s", session->id);
    if (fresh &&
        !post_difference(change, LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_PURCHASE, reference))
        return out_of_memory(status);
    /* Who paid first may not have known by what: the one that does says it. */
    if (purchase->payment_intent[0] != '\0' || session->payment_intent[0] == '\0' ||
        strlen(session->payment_intent) > ID_BYTES_MAX)
        return RPC_OK;
    purchase->payment_intent = (char *)session->payment_intent;
    change->changed = true;
    enum rpc_code code =
        store_read(change->services->options.store, change->context, &kept, 1, status);
    if (code == RPC_OK && !apply_kept(change, &kept))
        return out_of_memory(status);
    return code;
}

static enum rpc_code fulfil_once(struct services *services, struct rpc_context *context,
                                 const struct stripe_session *session, enum payment_outcome outcome,
                                 struct rpc_status *status)
{
    struct change change;
    change_begin(&change, services, context);
    enum rpc_code code = find_purchase(&change, session, status);
    if (code != RPC_OK)
        return code;
    if (change.purchase == NULL)
        return refuse(context, "there is no such purchase", session->id);
    const char *differs = difference(&change, session);
    if (differs != NULL)
        return refuse(context, differs, session->id);
    if (outcome == PAYMENT_PAID) {
        code = take_payment(&change, session, status);
    } else if (change.purchase->state == LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_PENDING) {
        change.purchase->state = LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_FAILED;
        change.changed = true;
    }
    return code == RPC_OK ? change_send(&change, status) : code;
}

enum rpc_code payment_fulfil(struct services *services, struct rpc_context *context,
                             const struct stripe_session *session, enum payment_outcome outcome,
                             struct rpc_status *status)
{
    enum rpc_code code = RPC_ABORTED;
    for (int try = 0; try < TRIES_MAX && code == RPC_ABORTED; try++) {
        if (try > 0)
            race_wait(try);
        code = fulfil_once(services, context, session, outcome, status);
    }
    if (code == RPC_ALREADY_EXISTS) /* the payment is another purchase's */
        return refuse(context, "its payment is another purchase's", session->id);
    if (code == RPC_OK && outcome == PAYMENT_PAID && session->payment_intent[0] != '\0' &&
        strlen(session->payment_intent) <= ID_BYTES_MAX) {
        code = settle(services, context, session->payment_intent, NULL, status);
        if (code == RPC_NOT_FOUND) /* the session was refused */
            code = RPC_OK;
    }
    return answer(code, status);
}
