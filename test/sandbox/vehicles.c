#include "test/sandbox/vehicles.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* data-flows.md searches the inventory for "Honda" and finds so many. */
#define HONDA_COUNT 42
#define STOCK_NUMBER_FIRST 1000
#define YEAR_NEWEST 2026
/* Every fifth vehicle is sold: 49 of 247, which leaves 198. */
#define SOLD_EVERY 5
#define SOLD_OFFSET 2

struct model {
    const char *make;
    const char *name;
    const char *body_style;
    const char *trims[3];
    int price_new;   /* USD */
    const char *wmi; /* the first three characters of the VIN */
};

static const struct model hondas[] = {
    {"Honda", "Civic", "SEDAN", {"", "EX", "Touring"}, 28000, "2HG"},
    {"Honda", "CR-V", "SUV", {"EX-L", "Sport Hybrid", "LX"}, 34500, "7FA"},
    {"Honda", "Accord", "SEDAN", {"Sport", "EX", "Touring Hybrid"}, 33200, "1HG"},
    {"Honda", "Pilot", "SUV", {"TrailSport", "Elite", "EX-L"}, 47900, "5FN"},
    {"Honda", "Odyssey", "MINIVAN", {"EX-L", "Touring", "Elite"}, 43800, "5FN"},
};

static const struct model others[] = {
    {"Toyota", "Camry", "SEDAN", {"LE", "XSE", "SE Hybrid"}, 30900, "4T1"},
    {"Ford", "F-150", "PICKUP", {"XLT", "Lariat", "King Ranch"}, 52400, "1FT"},
    {"Chevrolet", "Equinox", "SUV", {"LT", "RS", "Premier"}, 31800, "3GN"},
    {"Toyota", "RAV4", "SUV", {"XLE", "Limited", "TRD Off-Road"}, 36200, "2T3"},
    {"Nissan", "Rogue", "SUV", {"SV", "SL", "Platinum"}, 33100, "5N1"},
    {"Hyundai", "Tucson", "SUV", {"SEL", "Limited", "N Line"}, 32700, "KM8"},
    {"Chrysler", "Town & Country", "MINIVAN", {"Touring", "Limited", "S"}, 35600, "2C4"},
    {"Jeep", "Grand Cherokee", "SUV", {"Laredo", "Overland", "Summit"}, 49300, "1C4"},
    {"Subaru", "Outback", "WAGON", {"Premium", "Wilderness", "Touring XT"}, 38400, "4S4"},
    {"Mazda", "CX-5", "SUV", {"2.5 S", "Carbon Edition", "Signature"}, 33900, "JM3"},
    {"Kia", "Telluride", "SUV", {"S", "EX", "SX Prestige"}, 44700, "5XY"},
    {"Volkswagen", "Golf GTI", "HATCHBACK", {"S", "SE", "Autobahn"}, 34900, "WVW"},
    {"Tesla", "Model 3", "SEDAN", {"Long Range", "", "Performance"}, 42500, "5YJ"},
    {"BMW", "X3", "CROSSOVER", {"xDrive30i", "M40i", "sDrive30i"}, 51600, "5UX"},
    {"Ford", "Mustang", "COUPE", {"EcoBoost", "GT", "Dark Horse"}, 46300, "1FA"},
};

static const char *const colors[] = {"Crystal White", "Jet Black",    "Lunar Silver", "Deep Blue",
                                     "Ruby Red",      "Forest Green", "Graphite"};

static int vin_value(char c)
{
    static const char letters[] = "ABCDEFGHJKLMNPRSTUVWXYZ";
    static const char values[] = "12345678123457923456789";
    if (isdigit((unsigned char)c))
        return c - '0';
    const char *at = c == '\0' ? NULL : strchr(letters, c);
    return at == NULL ? -1 : values[at - letters] - '0';
}

/* The check digit of 49 CFR 565, or 0 for a bad character. */
static char vin_check_digit(const char vin[static 17])
{
    static const int weights[17] = {8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2};
    int sum = 0;
    for (size_t i = 0; i < 17; i++) {
        int value = i == 8 ? 0 : vin_value(vin[i]);
        if (value < 0)
            return 0;
        sum += value * weights[i];
    }
    return "0123456789X"[sum % 11];
}

bool vehicle_vin_valid(const char *vin)
{
    return strlen(vin) == 17 && vin_check_digit(vin) == vin[8];
}

static void make_vin(struct vehicle *vehicle, const struct model *model)
{
    static const char year_codes[] = "GHJKLMNPRST"; /* 2016 to 2026 */
    static const char descriptors[] = "BCDEFGHJKLMN";
    int n = vehicle->number;
    char text[64];
    (void)snprintf(text, sizeof text, "%s%c%c%d%c%d0%cA%06d", model->wmi, descriptors[n % 12],
                   descriptors[(n / 12) % 12], 1 + n % 9, descriptors[(n * 5 + 2) % 12],
                   1 + (n / 7) % 9, year_codes[vehicle->year - 2016], 100201 + n * 137);
    memcpy(vehicle->vin, text, sizeof vehicle->vin - 1);
    vehicle->vin[8] = vin_check_digit(vehicle->vin);
}

static void make_slug(struct vehicle *vehicle)
{
    char text[VEHICLE_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%d-%s-%s-%s", vehicle->year, vehicle->make, vehicle->model,
                   vehicle->stock_number);
    size_t used = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (isalnum((unsigned char)text[i]))
            vehicle->slug[used++] = (char)tolower((unsigned char)text[i]);
        else if (used > 0 && vehicle->slug[used - 1] != '-')
            vehicle->slug[used++] = '-';
    }
    vehicle->slug[used] = '\0';
}

static const struct model *pick_model(int number)
{
    /* 42 and 247 have no common factor, so exactly 42 numbers have a remainder below 42. */
    if (number * HONDA_COUNT % VEHICLE_COUNT < HONDA_COUNT)
        return &hondas[number / 6 % (int)(sizeof hondas / sizeof *hondas)];
    return &others[(number * 7 + 3) % (int)(sizeof others / sizeof *others)];
}

static void make_texts(struct vehicle *vehicle)
{
    (void)snprintf(vehicle->stock_number, sizeof vehicle->stock_number, "AA%d",
                   STOCK_NUMBER_FIRST + vehicle->number);
    (void)snprintf(vehicle->title, sizeof vehicle->title, "%d %s %s%s%s", vehicle->year,
                   vehicle->make, vehicle->model, vehicle->trim[0] == '\0' ? "" : " ",
                   vehicle->trim);
    (void)snprintf(vehicle->description, sizeof vehicle->description,
                   "%s %s in %s with %d miles. %s, %s transmission. %s Come for a test drive at "
                   "Acme Auto \xe2\x80\x94 stock number %s.",
                   vehicle->is_new ? "New" : (vehicle->certified ? "Certified" : "Used"),
                   vehicle->title, vehicle->color, vehicle->mileage, vehicle->fuel,
                   vehicle->transmission,
                   vehicle->is_new ? "Full factory warranty." : "One owner, clean history report.",
                   vehicle->stock_number);
    make_slug(vehicle);
}

static void make_vehicle(struct vehicle *vehicle, int number)
{
    const struct model *model = pick_model(number);
    *vehicle = (struct vehicle){.number = number,
                                .make = model->make,
                                .model = model->name,
                                .trim = model->trims[number / 3 % 3],
                                .body_style = model->body_style,
                                .color = colors[number * 3 % 7],
                                .is_new = number % 4 == 1,
                                .certified = number % 4 == 2};
    vehicle->year = vehicle->is_new ? YEAR_NEWEST - number % 2 : 2017 + number * 5 % 8;
    vehicle->fuel = strcmp(model->make, "Tesla") == 0 ? "Electric" : "Gasoline";
    vehicle->transmission = number % 9 == 4 ? "manual" : "automatic";
    int age = YEAR_NEWEST - vehicle->year;
    vehicle->mileage = vehicle->is_new ? 4 + number % 30 : age * 9400 + number * 211 % 7000 + 850;
    int worth = vehicle->is_new ? 100 : 92 - age * 7;
    vehicle->price_usd = model->price_new * worth / 100 / 100 * 100 + (number * 37 % 19) * 50 - 5;
    if (number == 0) { /* the item that data-flows.md shows */
        vehicle->year = 2024;
        vehicle->price_usd = 28000;
        vehicle->mileage = 12480;
    }
    vehicle->in_stock = number % SOLD_EVERY != SOLD_OFFSET;
    make_texts(vehicle);
    make_vin(vehicle, model);
}

void dealer_init(struct dealer *dealer)
{
    (void)pthread_mutex_init(&dealer->lock, NULL);
    for (int i = 0; i < VEHICLE_COUNT; i++)
        make_vehicle(&dealer->vehicles[i], i);
}

struct vehicle dealer_vehicle(struct dealer *dealer, size_t number)
{
    (void)pthread_mutex_lock(&dealer->lock);
    struct vehicle vehicle = dealer->vehicles[number];
    (void)pthread_mutex_unlock(&dealer->lock);
    return vehicle;
}
