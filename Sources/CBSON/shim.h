#ifndef SESSION_FCGI_CBSON_SHIM_H
#define SESSION_FCGI_CBSON_SHIM_H

#include <bson/bson.h>

/*
 * IEEE 754 decimal128 as BSON has it: two halves, the low one first. `text` ends with a NUL: given a length
 * instead, libbson still reads the exponent beyond it.
 */
static inline bool cbson_decimal128_from_text(const char *text, uint64_t *low, uint64_t *high) {
    bson_decimal128_t value;
    if (!bson_decimal128_from_string(text, &value)) return false;
    *low = value.low;
    *high = value.high;
    return true;
}

/* `text` has room for BSON_DECIMAL128_STRING (43) bytes. */
static inline void cbson_decimal128_to_text(uint64_t low, uint64_t high, char *text) {
    bson_decimal128_t value;
    value.low = low;
    value.high = high;
    bson_decimal128_to_string(&value, text);
}

#endif
