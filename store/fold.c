#include "store/fold.h"

#include <stdlib.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* What people type for letters that have no decomposition, in order of their code points. */
static const struct {
    ucs4_t from;
    const char *to;
} plain[] = {
    {0xe6, "ae"},  /* æ */
    {0xf0, "d"},   /* ð */
    {0xf8, "o"},   /* ø */
    {0xfe, "th"},  /* þ */
    {0x111, "d"},  /* đ */
    {0x127, "h"},  /* ħ */
    {0x131, "i"},  /* ı */
    {0x138, "k"},  /* ĸ */
    {0x142, "l"},  /* ł */
    {0x153, "oe"}, /* œ */
    {0x167, "t"},  /* ŧ */
    {0x180, "b"},  /* ƀ */
    {0x1e5, "g"},  /* ǥ */
    {0x2018, "'"}, /* ‘ */
    {0x2019, "'"}, /* ’ */
    {0x2010, "-"}, /* ‐; U+2011 decomposes to it */
    {0x2012, "-"}, /* ‒ */
    {0x2013, "-"}, /* – */
    {0x2014, "-"}, /* — */
    {0x2015, "-"}, /* ― */
    {0x2212, "-"}, /* − */
};

/* Marks above, below, through and beside a letter; not those that make it another one, as the
 * Indic vowel signs, virama and nukta or the Japanese voicing marks do. */
static bool is_accent(ucs4_t character)
{
    int class = uc_combining_class(character);
    return class == UC_CCC_OV || class >= 10;
}

struct out {
    uint8_t *bytes;
    size_t len, room;
    bool is_full;
};

static void append(struct out *out, const uint8_t *bytes, size_t len)
{
    out->is_full = out->is_full || len > out->room - out->len;
    if (out->is_full)
        return;
    memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

static void append_folded(struct out *out, ucs4_t character, const uint8_t *bytes, size_t len)
{
    if (is_accent(character) || uc_is_general_category(character, UC_CATEGORY_Cf))
        return; /* nor what is not seen: soft hyphens, joiners */
    if (uc_is_property_white_space(character) ||
        uc_is_general_category(character, UC_CATEGORY_Cc)) {
        append(out, (const uint8_t *)" ", 1);
        return;
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (plain[i].from == character) {
            append(out, (const uint8_t *)plain[i].to, strlen(plain[i].to));
            return;
        }
    }
    append(out, bytes, len);
}

/* The same for ASCII, which most texts are. False if there is anything else. */
static bool fold_ascii(struct span text, uint8_t *folded, size_t room, size_t *ret_len)
{
    size_t len = text.len < room ? text.len : room;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = text.data[i];
        if (byte >= 0x80)
            return false;
        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte - 'A' + 'a');
        folded[i] = byte < ' ' || byte == 0x7f ? ' ' : byte;
    }
    *ret_len = len;
    return true;
}

bool store__fold(struct span text, uint8_t *folded, size_t room, size_t *ret_len)
{
    struct out out = {.bytes = folded, .room = room};
    size_t len = 0;
    if (fold_ascii(text, folded, room, ret_len))
        return true;
    /* Folded after it was decomposed: what a compatibility character stands for may have case. */
    uint8_t *decomposed = u8_normalize(UNINORM_NFKD, text.data, text.len, NULL, &len);
    if (decomposed == NULL)
        return false;
    uint8_t *lower = u8_casefold(decomposed, len, NULL, UNINORM_NFKD, NULL, &len);
    free(decomposed);
    if (lower == NULL)
        return false;
    for (size_t at = 0; at < len && !out.is_full;) {
        ucs4_t character;
        int width = u8_mbtouc(&character, lower + at, len - at);
        append_folded(&out, character, lower + at, (size_t)width);
        at += (size_t)width;
    }
    free(lower);
    *ret_len = out.len;
    return true;
}
