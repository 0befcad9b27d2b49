#include "rpc/base/ascii.h"

#define LOWER_HEX (ASCII_HEX | ASCII_KEY | ASCII_ID | ASCII_BASE64)
#define LOWER (ASCII_KEY | ASCII_ID | ASCII_BASE64)
#define UPPER (ASCII_ID | ASCII_BASE64)
#define DOT (ASCII_KEY | ASCII_ID)

const uint8_t ascii_classes[256] = {
    ['0'] = LOWER_HEX, ['1'] = LOWER_HEX, ['2'] = LOWER_HEX, ['3'] = LOWER_HEX, ['4'] = LOWER_HEX,
    ['5'] = LOWER_HEX, ['6'] = LOWER_HEX, ['7'] = LOWER_HEX, ['8'] = LOWER_HEX, ['9'] = LOWER_HEX,
    ['a'] = LOWER_HEX, ['b'] = LOWER_HEX, ['c'] = LOWER_HEX, ['d'] = LOWER_HEX, ['e'] = LOWER_HEX,
    ['f'] = LOWER_HEX, ['-'] = LOWER,     ['_'] = LOWER,     ['g'] = LOWER,     ['h'] = LOWER,
    ['i'] = LOWER,     ['j'] = LOWER,     ['k'] = LOWER,     ['l'] = LOWER,     ['m'] = LOWER,
    ['n'] = LOWER,     ['o'] = LOWER,     ['p'] = LOWER,     ['q'] = LOWER,     ['r'] = LOWER,
    ['s'] = LOWER,     ['t'] = LOWER,     ['u'] = LOWER,     ['v'] = LOWER,     ['w'] = LOWER,
    ['x'] = LOWER,     ['y'] = LOWER,     ['z'] = LOWER,     ['A'] = UPPER,     ['B'] = UPPER,
    ['C'] = UPPER,     ['D'] = UPPER,     ['E'] = UPPER,     ['F'] = UPPER,     ['G'] = UPPER,
    ['H'] = UPPER,     ['I'] = UPPER,     ['J'] = UPPER,     ['K'] = UPPER,     ['L'] = UPPER,
    ['M'] = UPPER,     ['N'] = UPPER,     ['O'] = UPPER,     ['P'] = UPPER,     ['Q'] = UPPER,
    ['R'] = UPPER,     ['S'] = UPPER,     ['T'] = UPPER,     ['U'] = UPPER,     ['V'] = UPPER,
    ['W'] = UPPER,     ['X'] = UPPER,     ['Y'] = UPPER,     ['Z'] = UPPER,     ['.'] = DOT,
};
