/* What a cursor's first byte says; shared by those who read and those who write one. */
#ifndef STORE_RANGE_H
#define STORE_RANGE_H

enum { STORE_CURSOR_START = 0, STORE_CURSOR_BEHIND = 1 };

#endif
