#include "test/bench/items.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct {
    const char *brand;
    const char *models[3];
} makes[] = {
    {"Honda", {"Civic", "CR-V", "Accord"}},
    {"Toyota", {"Corolla", "RAV4", "Camry"}},
    {"Ford", {"F-150", "Escape", "Mustang"}},
    {"Chevrolet", {"Silverado", "Equinox", "Malibu"}},
    {"Nissan", {"Altima", "Rogue", "Sentra"}},
    {"Škoda", {"Octavia", "Fabia", "Superb"}},
    {"BMW", {"X5", "320i", "X3"}},
    {"Hyundai", {"Tucson", "Elantra", "Kona"}},
    {"Kia", {"Sportage", "Sorento", "Ceed"}},
    {"Volkswagen", {"Golf", "Passat", "Tiguan"}},
    {"Jeep", {"Wrangler", "Cherokee", "Compass"}},
    {"Citroën", {"C3", "Berlingo", "C5 Aircross"}},
    {"Audi", {"A4", "Q5", "A6"}},
    {"Mazda", {"CX-5", "Mazda3", "MX-5"}},
    {"Subaru", {"Outback", "Forester", "Impreza"}},
    {"Renault", {"Clio", "Mégane", "Captur"}},
    {"Peugeot", {"208", "3008", "Rifter"}},
    {"Volvo", {"XC90", "V60", "XC40"}},
    {"Tesla", {"Model 3", "Model Y", "Model S"}},
    {"Mercedes-Benz", {"C 220 d", "GLC", "Sprinter"}},
    {"Lexus", {"RX 350", "NX", "ES"}},
    {"Porsche", {"Macan", "911 Carrera", "Cayenne"}},
    {"Opel", {"Astra", "Corsa", "Mokka"}},
    {"Dacia", {"Duster", "Sandero", "Jogger"}},
};

static const char *const trims[] = {
    "EX-L",         "Touring Sedan",   "Lariat SuperCrew",
    "RS Combi",     "Feel Pack",       "xDrive40i",
    "LX",           "GT-Line AWD",     "Limited",
    "Sport Hybrid", "Premium",         "4x4 Automatic",
    "SE",           "Launch Edition",  "Comfortline",
    "Style",        "N Line",          "Plug-in Hybrid",
    "XLT",          "Executive Break", "Base",
    "Titanium",     "Elegance",        "Long Range",
};

static const char *const colours[] = {"White", "Black", "Silver", "Blue",  "Red",
                                      "Grey",  "Green", "Beige",  "Brown", "Pearl"};

static const char description[] =
    "One owner, accident free, full service history. Heated seats, adaptive cruise control, "
    "navigation, rear-view camera, wireless charging, LED headlights and a panoramic roof. "
    "Inspected by our workshop on 150 points and ready to drive home today. Financing is available "
    "from 1.9 % a year; trade-ins are welcome. Call us, or come by for a test drive: we are open "
    "from Monday to Saturday, and there is always coffee.";

void bench_item_make(int64_t customer_id, int64_t number, struct item_texts *texts,
                     Lotcast__V1__ItemRecord *ret_item)
{
    /* Scattered, the same in every run. */
    uint64_t hash = (uint64_t)number * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
    hash *= 0xbf58476d1ce4e5b9u;
    hash ^= hash >> 32;
    /* The lower of two: the first brands are the common ones. */
    size_t one = (hash >> 2) % COUNT(makes);
    size_t other = (hash >> 9) % COUNT(makes);
    size_t make = one < other ? one : other;
    const char *brand = makes[make].brand;
    const char *model = makes[make].models[(hash >> 16) % 3];
    lotcast__v1__item_record__init(ret_item);
    (void)snprintf(texts->title, sizeof texts->title, "%d %s %s %s, %s",
                   2005 + (int)(hash >> 40) % 21, brand, model, trims[(hash >> 24) % COUNT(trims)],
                   colours[(hash >> 30) % COUNT(colours)]);
    (void)snprintf(texts->vin, sizeof texts->vin, "1H%c%014llu", 'A' + (int)(hash >> 50) % 26,
                   (unsigned long long)hash % 100000000000000u);
    (void)snprintf(texts->sku, sizeof texts->sku, "STK-%06lld", (long long)number);
    (void)snprintf(texts->identity, sizeof texts->identity, "vin:%s-%lld", texts->vin,
                   (long long)number);
    (void)snprintf(texts->url, sizeof texts->url, "https://www.dealer.example/inventory/%lld",
                   (long long)number);
    ret_item->customer_id = customer_id;
    ret_item->item_id = number;
    ret_item->identity = texts->identity;
    ret_item->title = texts->title;
    ret_item->description = (char *)description;
    ret_item->url = texts->url;
    ret_item->image_url = texts->url;
    ret_item->price_minor = number % 50 == 0 ? -1 : (int64_t)((hash >> 16) % 9000000);
    ret_item->currency = (char *)"USD";
    ret_item->in_stock = (hash >> 8) % 5 != 0;
    ret_item->brand = (char *)brand;
    ret_item->model = (char *)model;
    ret_item->vin = texts->vin;
    ret_item->sku = texts->sku;
}
