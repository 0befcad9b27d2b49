#include <zlib.h>

#include "test/sandbox/dealer.h"

/* Meta takes images from 500 pixels on. */
#define IMAGE_PIXELS 600

static void append_u32(struct buffer *out, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                        (uint8_t)value};
    (void)buffer_append(out, bytes, sizeof bytes);
}

static void append_chunk(struct buffer *out, const char *type, struct span data)
{
    append_u32(out, (uint32_t)data.len);
    size_t start = out->len;
    (void)buffer_append(out, type, 4);
    (void)buffer_append(out, data.data, data.len);
    if (!out->failed)
        append_u32(out, (uint32_t)crc32(0, out->data + start, (uInt)(data.len + 4)));
}

/* Palette index of a pixel: 0 sky, 1 road, 2 body, 3 wheel, 4 window. */
static uint8_t pixel(int x, int y)
{
    int left = (x - 180) * (x - 180) + (y - 400) * (y - 400);
    int right = (x - 420) * (x - 420) + (y - 400) * (y - 400);
    if (left < 45 * 45 || right < 45 * 45)
        return 3;
    if (x > 80 && x < 520 && y > 290 && y < 400)
        return 2;
    if (y > 200 && y <= 290 && x > 170 + (290 - y) / 2 && x < 430 - (290 - y) / 2)
        return y > 220 && x > 240 && x < 360 ? 4 : 2;
    return y > 420 ? 1 : 0;
}

void dealer_append_image(int number, struct buffer *out)
{
    static const uint8_t colors[7][3] = {{240, 240, 235}, {30, 30, 34},  {178, 184, 190},
                                         {24, 58, 120},   {160, 22, 34}, {30, 84, 52},
                                         {84, 88, 94}};
    uint8_t palette[5 * 3] = {206, 226, 242, 120, 120, 118, 0, 0, 0, 20, 20, 20, 190, 214, 224};
    memcpy(palette + 6, colors[number * 3 % 7], 3);
    uint8_t header[13] = {0,
                          0,
                          IMAGE_PIXELS >> 8,
                          IMAGE_PIXELS & 0xff,
                          0,
                          0,
                          IMAGE_PIXELS >> 8,
                          IMAGE_PIXELS & 0xff,
                          8,
                          3,
                          0,
                          0,
                          0};
    struct buffer raw;
    buffer_init(&raw, EXCHANGE_ANSWER_BYTES_MAX);
    for (int y = 0; y < IMAGE_PIXELS; y++) {
        (void)buffer_append_byte(&raw, 0); /* filter: none */
        for (int x = 0; x < IMAGE_PIXELS; x++)
            (void)buffer_append_byte(&raw, pixel(x, y));
    }
    struct buffer packed;
    buffer_init(&packed, EXCHANGE_ANSWER_BYTES_MAX);
    uLongf len = compressBound((uLong)raw.len);
    uint8_t *space = buffer_reserve(&packed, len);
    if (space == NULL || compress(space, &len, raw.data, (uLong)raw.len) != Z_OK)
        out->failed = true;
    else
        packed.len = len;
    (void)buffer_append(out, "\x89PNG\r\n\x1a\n", 8);
    append_chunk(out, "IHDR", span_of(header, sizeof header));
    append_chunk(out, "PLTE", span_of(palette, sizeof palette));
    append_chunk(out, "IDAT", buffer_span(&packed));
    append_chunk(out, "IEND", span_of("", 0));
    buffer_fini(&packed);
    buffer_fini(&raw);
}
