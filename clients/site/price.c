/*
 * Prices as shops write them. The text must be one number, with nothing around it but a currency
 * and a few words that change nothing: "from 499 a month" and "100 - 200" are no price.
 */
#include <strings.h>

#include "clients/site/internal.h"
#include "rpc/base/utf8.h"

/* Above this no price is believed, in hundredths. */
#define PRICE_MINOR_MAX ((int64_t)100000000000000)
/* Longest text that is looked at, in bytes. */
#define TEXT_BYTES_MAX 64

/* Some currency (U+00A4): what is left of a euro sign of ISO 8859-15 that is taken for 8859-1. */
#define ANY_CURRENCY "\xc2\xa4"

/* ISO 4217's active codes. */
static const char currencies[] = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF "
                                 "BMD BND BOB BRL BSD BTN BWP BYN "
                                 "BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP "
                                 "ERN ETB EUR FJD FKP GBP GEL GHS "
                                 "GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD "
                                 "JOD JPY KES KGS KHR KMF KPW KRW "
                                 "KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP "
                                 "MRU MUR MVR MWK MXN MYR MZN NAD "
                                 "NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD "
                                 "RUB RWF SAR SBD SCR SDG SEK SGD "
                                 "SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD "
                                 "TWD TZS UAH UGX USD UYU UZS VED "
                                 "VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL";

/* What stands for a currency, longest first where one begins another. */
static const struct {
    const char *text;
    const char *code;
} symbols[] = {
    {"US$", "USD"},          {"USD$", "USD"},
    {"CA$", "CAD"},          {"CAD$", "CAD"},
    {"AU$", "AUD"},          {"NZ$", "NZD"},
    {"HK$", "HKD"},          {"NT$", "TWD"},
    {"MX$", "MXN"},          {"C$", "CAD"},
    {"A$", "AUD"},           {"R$", "BRL"},
    {"S$", "SGD"},           {"$", "USD"},
    {"\xe2\x82\xac", "EUR"}, {"\xc2\xa3", "GBP"},
    {"\xc2\xa5", "JPY"},     {"\xef\xbf\xa5", "JPY"},
    {"\xe5\x86\x86", "JPY"}, {"\xe2\x82\xb9", "INR"},
    {"\xe2\x82\xbd", "RUB"}, {"\xe2\x82\xba", "TRY"},
    {"\xe2\x82\xa9", "KRW"}, {"\xe2\x82\xaa", "ILS"},
    {"\xe2\x82\xab", "VND"}, {"\xe2\x82\xb1", "PHP"},
    {"\xe2\x82\xb4", "UAH"}, {"\xe0\xb8\xbf", "THB"},
    {"\xe2\x82\xa6", "NGN"}, {"z\xc5\x82", "PLN"},
    {"K\xc4\x8d", "CZK"},    {"SFr.", "CHF"},
    {"Fr.", "CHF"},          {"Ft", "HUF"},
    {"Rs.", "INR"},
};

/* Words that say nothing about the amount. */
static const char *const idle_words[] = {
    "price", "only",   "now",    "incl",     "inkl",     "including", "inclusive", "vat",
    "mwst",  "ttc",    "tax",    "gst",      "btw",      "iva",       "moms",      "preis",
    "prix",  "precio", "prezzo", "prijs",    "nur",      "jetzt",     "vb",        "vhb",
    "our",   "sale",   "asking", "incluido", "incluida", "inclusa",   "obo",       "brutto"};

/* Currencies with thousandths: "1.234" of them is 1 and a part. */
static const char thousandths[] = "BHD IQD JOD KWD LYD OMR TND";

struct scanner {
    const char *at;
    char digits[TEXT_BYTES_MAX + 1];     /* the number's digits … */
    char separators[TEXT_BYTES_MAX + 1]; /* … and what stands before each, '\0' for nothing */
    size_t digit_count;
    bool number_over;
    char currency[4];
};

static bool is_code(const char *list, const char *code)
{
    for (const char *at = list; strlen(at) >= 3; at += at[3] == '\0' ? 3 : 4) {
        if (strncasecmp(at, code, 3) == 0)
            return true;
    }
    return false;
}

static void copy_code(char to[static 4], const char *code)
{
    for (int i = 0; i < 3; i++)
        to[i] = code[i] >= 'a' && code[i] <= 'z' ? (char)(code[i] - 'a' + 'A') : code[i];
    to[3] = '\0';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes of a space at `at`, the Unicode ones that stand between digits included. */
static size_t space_length(const char *at)
{
    static const char *const spaces[] = {" ",        "\t",           "\n",          "\r",
                                         "\xc2\xa0", "\xe2\x80\xaf", "\xe2\x80\x89"};
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        if (strncmp(at, spaces[i], strlen(spaces[i])) == 0)
            return strlen(spaces[i]);
    }
    return 0;
}

/* A separator between two digits: its kind ('.', ',', ' ', '\'') and its bytes. */
static size_t separator_length(const char *at, char *kind)
{
    size_t len = space_length(at);
    *kind = ' ';
    if (len > 0)
        return len;
    *kind = *at;
    if (*at == '.' || *at == ',' || *at == '\'')
        return 1;
    *kind = '\'';
    return strncmp(at, "\xe2\x80\x99", 3) == 0 ? 3 : 0;
}

static void take_number(struct scanner *scanner)
{
    char before = '\0';
    while (is_digit(*scanner->at)) {
        scanner->separators[scanner->digit_count] = before;
        scanner->digits[scanner->digit_count++] = *scanner->at++;
        char kind;
        size_t len = separator_length(scanner->at, &kind);
        before = '\0';
        if (len > 0 && is_digit(scanner->at[len])) {
            before = kind;
            scanner->at += len;
        }
    }
    scanner->number_over = true;
}

static bool take_symbol(struct scanner *scanner)
{
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        size_t len = strlen(symbols[i].text);
        if (strncmp(scanner->at, symbols[i].text, len) != 0)
            continue;
        if (scanner->currency[0] == '\0')
            copy_code(scanner->currency, symbols[i].code);
        scanner->at += len;
        return true;
    }
    return false;
}

static bool take_word(struct scanner *scanner)
{
    const char *word = scanner->at;
    size_t len = 0;
    while (is_letter(word[len]))
        len++;
    scanner->at += len;
    if (len == 3 && is_code(currencies, word)) {
        if (scanner->currency[0] == '\0')
            copy_code(scanner->currency, word);
        return true;
    }
    if (len == 2 && strncasecmp(word, "kr", 2) == 0)
        return true; /* three countries' crowns: the page must declare which */
    if ((len == 4 || len == 5) && strncasecmp(word, "euros", len) == 0) {
        if (scanner->currency[0] == '\0')
            copy_code(scanner->currency, "EUR");
        return true;
    }
    for (size_t i = 0; i < sizeof idle_words / sizeof idle_words[0]; i++) {
        if (len == strlen(idle_words[i]) && strncasecmp(word, idle_words[i], len) == 0)
            return true;
    }
    return false;
}

/* Takes the text apart; false if there is anything in it that could change what it means. */
static bool scan(struct scanner *scanner)
{
    while (*scanner->at != '\0') {
        size_t space = space_length(scanner->at);
        if (space > 0) {
            scanner->at += space;
        } else if (is_digit(*scanner->at)) {
            if (scanner->number_over)
                return false;
            take_number(scanner);
        } else if (take_symbol(scanner)) {
            continue;
        } else if (strncmp(scanner->at, ANY_CURRENCY, strlen(ANY_CURRENCY)) == 0) {
            scanner->at += strlen(ANY_CURRENCY);
        } else if (is_letter(*scanner->at)) {
            if (!take_word(scanner))
                return false;
        } else if (strchr(".,-:*()", *scanner->at) != NULL) {
            /* A minus before the number is one; ",-" behind it is not. */
            if (*scanner->at == '-' && !scanner->number_over)
                return false;
            scanner->at++;
        } else if (strncmp(scanner->at, "\xe2\x80\x93", 3) == 0 ||
                   strncmp(scanner->at, "\xe2\x80\x94", 3) == 0) {
            if (!scanner->number_over)
                return false;
            scanner->at += 3;
        } else {
            return false;
        }
    }
    return scanner->number_over;
}

/*
 * Where the decimals begin in the digits (digit_count: there are none), SIZE_MAX if the grouping is
 * none. A separator that comes once, with three digits behind it, groups: shops write 28.000 and
 * not thousandths, except where the currency has them, after a leading zero, or in a long number.
 */
static size_t find_decimals(const struct scanner *scanner, bool has_thousandths)
{
    size_t last = 0;
    size_t same = 0;
    size_t others = 0;
    for (size_t i = 1; i < scanner->digit_count; i++) {
        if (scanner->separators[i] != '\0')
            last = i;
    }
    char kind = scanner->separators[last];
    for (size_t i = 1; last > 0 && i < scanner->digit_count; i++) {
        same += scanner->separators[i] == kind;
        others += scanner->separators[i] != '\0' && scanner->separators[i] != kind;
    }
    bool can_be_point = last > 0 && (kind == '.' || kind == ',') && same == 1;
    size_t behind = scanner->digit_count - last;
    bool is_point = can_be_point &&
                    (others > 0 || behind != 3 || last > 3 ||
                     (last == 1 && scanner->digits[0] == '0') || (kind == '.' && has_thousandths));
    size_t whole = is_point ? last : scanner->digit_count;
    /* What groups are left: of 3 at the end, of 2 or 3 before it (India), all of one kind. */
    char group = '\0';
    size_t run = 0;
    bool is_last_group = true;
    for (size_t i = whole; i-- > 0;) {
        run++;
        char separator = i == 0 ? '\0' : scanner->separators[i];
        if (separator == '\0')
            continue;
        if ((run != 3 && (is_last_group || run != 2)) || (group != '\0' && group != separator))
            return SIZE_MAX;
        group = separator;
        is_last_group = false;
        run = 0;
    }
    bool leading_ok = group == '\0' || (run >= 1 && run <= 3);
    bool differs = !is_point || group != kind;
    return leading_ok && differs ? whole : SIZE_MAX;
}

/* Whole digits and decimals into hundredths, half up. */
static bool to_minor(const char *digits, size_t whole, size_t count, int64_t *ret_minor)
{
    int64_t minor = 0;
    for (size_t i = 0; i < whole + 2; i++) {
        int digit = i < count ? digits[i] - '0' : 0;
        minor = minor * 10 + digit;
        if (minor > PRICE_MINOR_MAX)
            return false;
    }
    if (whole + 2 < count && digits[whole + 2] >= '5')
        minor++;
    if (minor <= 0)
        return false;
    *ret_minor = minor;
    return true;
}

/* A JSON number: -?digits[.digits][e±digits]. */
static bool parse_number(const char *text, int64_t *ret_minor)
{
    char digits[TEXT_BYTES_MAX + 1];
    size_t count = 0;
    long point = -1;
    const char *at = text;
    for (; is_digit(*at) || *at == '.'; at++) {
        if (*at == '.' && point >= 0)
            return false;
        if (*at == '.')
            point = (long)count;
        else
            digits[count++] = *at;
    }
    if (point < 0)
        point = (long)count;
    if (*at == 'e' || *at == 'E') {
        at++;
        bool minus = *at == '-';
        at += *at == '-' || *at == '+';
        long exponent = 0;
        for (; is_digit(*at) && exponent < 1000; at++)
            exponent = exponent * 10 + (*at - '0');
        point += minus ? -exponent : exponent;
    }
    if (*at != '\0' || count == 0 || point < -TEXT_BYTES_MAX || point > TEXT_BYTES_MAX)
        return false;
    if (point < 0) { /* below a tenth: at most a rounding's worth */
        *ret_minor = 1;
        return point == -1 && digits[0] >= '5';
    }
    return to_minor(digits, (size_t)point, count, ret_minor);
}

/* What the page declares: a code, or a symbol in its place. */
static bool declared_currency(const char *text, char ret_currency[static 4])
{
    struct scanner scanner = {.at = text};
    if (strlen(text) == 3 && is_code(currencies, text)) {
        copy_code(ret_currency, text);
        return true;
    }
    if (!take_symbol(&scanner) || *scanner.at != '\0')
        return false;
    copy_code(ret_currency, scanner.currency);
    return true;
}

bool site__price_parse(struct span text, bool is_number, const char *currency, int64_t *ret_minor,
                       char ret_currency[static 4])
{
    char copy[TEXT_BYTES_MAX + 1];
    if (text.len == 0 || text.len > TEXT_BYTES_MAX || memchr(text.data, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    struct scanner scanner = {.at = copy};
    char code[4] = "";
    bool declared = currency != NULL && declared_currency(currency, code);
    int64_t minor = 0;
    if (is_number) {
        if (!parse_number(copy, &minor))
            return false;
    } else {
        if (!scan(&scanner))
            return false;
        if (!declared)
            memcpy(code, scanner.currency, sizeof code);
        size_t whole = find_decimals(&scanner, code[0] != '\0' && is_code(thousandths, code));
        if (whole == SIZE_MAX || !to_minor(scanner.digits, whole, scanner.digit_count, &minor))
            return false;
    }
    *ret_minor = minor;
    memcpy(ret_currency, code, sizeof code);
    return true;
}
