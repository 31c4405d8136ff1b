/* utf8.c - decoding by the table of well-formed byte sequences (Unicode 3.9, table 3-7). */
#include "base/utf8.h"

#include <string.h>

/* Length of a sequence by its first byte and the range of its second; 0 when the byte begins nothing. */
static size_t lead(unsigned char b, unsigned char *low, unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (b >= 0xc2 && b <= 0xdf)
        return 2;
    if (b >= 0xe0 && b <= 0xef) {
        if (b == 0xe0)
            *low = 0xa0;
        if (b == 0xed)
            *high = 0x9f;
        return 3;
    }
    if (b >= 0xf0 && b <= 0xf4) {
        if (b == 0xf0)
            *low = 0x90;
        if (b == 0xf4)
            *high = 0x8f;
        return 4;
    }
    return 0;
}

size_t wc_utf8_decode(const char *s, size_t n, uint32_t *c)
{
    unsigned char b = (unsigned char)s[0], low, high;
    if (b < 0x80) {
        *c = b;
        return 1;
    }
    size_t len = lead(b, &low, &high);
    *c = 0xfffd;
    if (len == 0)
        return 1;
    uint32_t value = b & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if (i >= n)
            return i;
        unsigned char next = (unsigned char)s[i];
        if (next < low || next > high)
            return i;
        value = value << 6 | (next & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    *c = value;
    return len;
}

size_t wc_utf8_encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((0xf00U >> len & 0xff) | c);
    return len;
}

bool wc_utf8_valid(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        uint64_t eight;
        if (n - i >= sizeof eight) {
            memcpy(&eight, s + i, sizeof eight);
            if ((eight & 0x8080808080808080) == 0) {
                i += sizeof eight;
                continue;
            }
        }
        size_t len = wc_utf8_decode(s + i, n - i, &c);
        if (c == 0xfffd && !(len == 3 && (unsigned char)s[i] == 0xef))
            return false;
        i += len;
    }
    return true;
}

size_t wc_utf8_count(const char *s, size_t n)
{
    size_t chars = 0;
    for (size_t i = 0; i < n; i++)
        chars += ((unsigned char)s[i] & 0xc0) != 0x80;
    return chars;
}

size_t wc_utf8_pending(const char *s, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char b = (unsigned char)s[n - back], low, high;
        if (b < 0x80)
            return 0;
        size_t len = lead(b, &low, &high);
        if (len == 0) {
            if (b >= 0xc0)
                return 0;
            continue;
        }
        uint32_t c;
        return back < len && wc_utf8_decode(s + n - back, back, &c) == back ? back : 0;
    }
    return 0;
}
