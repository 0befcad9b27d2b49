/*
 * Acme Auto's inventory: 247 vehicles, 198 of them in stock, 42 of them Hondas, the same at every
 * start. What a test changes (stock, price, removal) is in struct dealer, under its lock.
 */
#ifndef TEST_SANDBOX_VEHICLES_H
#define TEST_SANDBOX_VEHICLES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VEHICLE_COUNT 247
#define VEHICLE_VIN_BYTES 18
#define VEHICLE_TEXT_BYTES 96
#define VEHICLE_DESCRIPTION_BYTES 512

struct vehicle {
    int number; /* 0 to 246 */
    int year;
    const char *make;
    const char *model;
    const char *trim; /* may be "" */
    const char *body_style;
    const char *color;
    const char *fuel;
    const char *transmission;
    bool is_new;
    bool certified;
    int mileage; /* miles */
    int price_usd;
    char vin[VEHICLE_VIN_BYTES];
    char stock_number[16];
    char title[VEHICLE_TEXT_BYTES]; /* 2024 Honda Civic */
    char slug[VEHICLE_TEXT_BYTES];  /* 2024-honda-civic-1000 */
    char description[VEHICLE_DESCRIPTION_BYTES];
    /* Changed by tests. */
    bool in_stock;
    bool removed;
    int version; /* counts changes */
};

struct dealer {
    pthread_mutex_t lock;
    struct vehicle vehicles[VEHICLE_COUNT];
};

void dealer_init(struct dealer *dealer);
/* A copy, so that no lock is held while a page is made. */
struct vehicle dealer_vehicle(struct dealer *dealer, size_t number);
/* Whether the text is 17 characters of the VIN alphabet with the right check digit. */
bool vehicle_vin_valid(const char *vin);

#endif
