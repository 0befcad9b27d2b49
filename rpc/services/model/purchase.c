#include "rpc/services/model/purchase.h"

#include <string.h>

#include "rpc/services/model/money.h"

#define CENTI 100

void purchase_packages(int64_t usd_rate, struct purchase_package packages[PURCHASE_PACKAGES])
{
    static const struct {
        const char *id;
        int64_t dollars;
        int64_t bonus_percent;
    } rows[PURCHASE_PACKAGES] = {{"pkg_100", 100, 0}, {"pkg_500", 500, 0}, {"pkg_1000", 1000, 10}};
    for (size_t i = 0; i < PURCHASE_PACKAGES; i++) {
        int64_t credits = rows[i].dollars * usd_rate;
        packages[i] = (struct purchase_package){
            .id = rows[i].id,
            .currency = "USD",
            .amount_minor = rows[i].dollars * 100,
            .credits = credits,
            .bonus_credits = credits * rows[i].bonus_percent / 100,
        };
    }
}

bool purchase_is_paid(const Lotcast__V1__PurchaseRecord *purchase)
{
    return purchase->state == LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_COMPLETED ||
           purchase->state == LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_REFUNDED;
}

/* `part_minor` within 0 and the whole amount. */
static int64_t within_amount(const Lotcast__V1__PurchaseRecord *purchase, int64_t part_minor)
{
    if (part_minor < 0)
        return 0;
    return part_minor < purchase->amount_minor ? part_minor : purchase->amount_minor;
}

/* The credits that a part of the amount has bought, half up. */
static int64_t share_centi(const Lotcast__V1__PurchaseRecord *purchase, int64_t part_minor)
{
    /* Packages keep it far below overflow: 10^11 centi-credits times 10^5 cents. */
    return purchase->amount_minor <= 0
               ? 0
               : money_divide_round(purchase->credits * CENTI * within_amount(purchase, part_minor),
                                    purchase->amount_minor);
}

int64_t purchase_grant_centi(const Lotcast__V1__PurchaseRecord *purchase)
{
    if (!purchase_is_paid(purchase))
        return 0;
    int64_t grant = purchase->credits * CENTI - share_centi(purchase, purchase->refunded_minor);
    for (size_t i = 0; i < purchase->n_disputes; i++) {
        const Lotcast__V1__PurchaseDispute *dispute = purchase->disputes[i];
        if (dispute->state != LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_WON)
            grant -= share_centi(purchase, dispute->amount_minor);
    }
    return grant < 0 ? 0 : grant;
}

/* What is wholly refunded is so from its payment on. */
static void settle_state(Lotcast__V1__PurchaseRecord *purchase)
{
    purchase->state = purchase->refunded_minor >= purchase->amount_minor
                          ? LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_REFUNDED
                          : LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_COMPLETED;
}

bool purchase_take_payment(Lotcast__V1__PurchaseRecord *purchase, int64_t now_ms)
{
    if (purchase_is_paid(purchase))
        return false;
    purchase->completed_at_ms = now_ms;
    settle_state(purchase);
    return true;
}

bool purchase_take_refund(Lotcast__V1__PurchaseRecord *purchase, int64_t refunded_minor)
{
    refunded_minor = within_amount(purchase, refunded_minor);
    if (refunded_minor <= purchase->refunded_minor)
        return false;
    purchase->refunded_minor = refunded_minor;
    if (purchase_is_paid(purchase))
        settle_state(purchase);
    return true;
}

static bool add_dispute(Lotcast__V1__PurchaseRecord *purchase, struct arena *arena,
                        const char *dispute_id, int64_t amount_minor,
                        Lotcast__V1__DisputeState state)
{
    size_t count = purchase->n_disputes;
    if (count >= PURCHASE_DISPUTES_MAX)
        return false;
    Lotcast__V1__PurchaseDispute **disputes = arena_calloc(arena, count + 1, sizeof *disputes);
    Lotcast__V1__PurchaseDispute *dispute = arena_alloc(arena, sizeof *dispute);
    if (disputes == NULL || dispute == NULL)
        return false;
    lotcast__v1__purchase_dispute__init(dispute);
    dispute->dispute_id = (char *)dispute_id;
    dispute->amount_minor = within_amount(purchase, amount_minor);
    dispute->state = state;
    if (count > 0)
        memcpy(disputes, purchase->disputes, count * sizeof *disputes);
    disputes[count] = dispute;
    purchase->disputes = disputes;
    purchase->n_disputes = count + 1;
    return true;
}

bool purchase_take_dispute(Lotcast__V1__PurchaseRecord *purchase, struct arena *arena,
                           const char *dispute_id, int64_t amount_minor,
                           Lotcast__V1__DisputeState state)
{
    for (size_t i = 0; i < purchase->n_disputes; i++) {
        Lotcast__V1__PurchaseDispute *dispute = purchase->disputes[i];
        if (strcmp(dispute->dispute_id, dispute_id) != 0)
            continue;
        if (dispute->state != LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_OPEN ||
            state == LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_OPEN)
            return false;
        dispute->state = state;
        return true;
    }
    return add_dispute(purchase, arena, dispute_id, amount_minor, state);
}

bool purchase_is_disputed(const Lotcast__V1__PurchaseRecord *purchase)
{
    for (size_t i = 0; i < purchase->n_disputes; i++)
        if (purchase->disputes[i]->state != LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_WON)
            return true;
    return false;
}

const char *purchase_state_name(Lotcast__V1__PurchaseState state)
{
    switch (state) {
    case LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_COMPLETED:
        return "completed";
    case LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_FAILED:
        return "failed";
    case LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_REFUNDED:
        return "refunded";
    case LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_UNSPECIFIED:
    case LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_PENDING:
    case _LOTCAST__V1__PURCHASE_STATE_IS_INT_SIZE:
        break;
    }
    return "pending";
}
