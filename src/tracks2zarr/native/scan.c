/* Rows of a tracks CSV as the lab's tracker writes them, read in one pass over their bytes.
 *
 * A row is recognised where each byte around its numbers is what the tracker writes, and
 * each number is written as JSON writes it and sure to be rounded as Python would round
 * it. Nothing is decided of any other row: it is handed on. No Python in here, so one library
 * serves all versions.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef DIGEST
#define DIGEST ""
#endif

/* That of all sources, so that no library is used that was made of other ones. */
const char sources_digest[] = DIGEST;

/* Where reading has got to, and where there is nothing more. */
typedef struct {
    const uint8_t *at, *end;
} cursor;

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum {
    MOST_DIGITS = 19, /* of a number that a uint64 holds */
    MOST_POWER = 22,  /* of ten that a double holds exactly */
};
/* Tracks and numbers are below; the second is MAX_NUMBER of via.py, the first less than its own. */
static const int64_t MOST_TRACK = INT64_C(1) << 53;
static const float MOST_NUMBER = 0x1p127f;

static inline bool is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }

static inline bool is_next(const cursor *c, char byte) {
    return c->at < c->end && *c->at == (uint8_t)byte;
}

static inline bool is_digit_next(const cursor *c) { return c->at < c->end && is_digit(*c->at); }

static inline bool skip(cursor *c, const char *literal, int64_t length) {
    if (c->end - c->at < length || memcmp(c->at, literal, (size_t)length) != 0) return false;
    c->at += length;
    return true;
}

#define SKIP(c, literal) skip(c, literal, (int64_t)sizeof(literal) - 1)

/* Read at most `most` digits onto a value, and return how many there were. */
static inline int digits(cursor *c, int most, uint64_t *value) {
    const uint8_t *first = c->at;
    const uint8_t *stop = c->end - first > most ? first + most : c->end;
    uint64_t sum = *value;
    while (c->at < stop && is_digit(*c->at)) sum = sum * 10 + (uint64_t)(*c->at++ - '0');
    *value = sum;
    return (int)(c->at - first);
}

/* Read a whole number of at most `most` digits, at most 18. */
static inline bool whole(cursor *c, int most, int64_t *value) {
    uint64_t read = 0;
    int count = digits(c, most, &read);
    *value = (int64_t)read;
    return count > 0 && !is_digit_next(c);
}

/* Read e-05 and the like onto a power of ten. */
static inline bool exponent(cursor *c, int *power) {
    int64_t value;
    c->at++;
    bool is_down = is_next(c, '-');
    if (is_down || is_next(c, '+')) c->at++;
    if (!whole(c, 3, &value)) return false;
    *power += is_down ? -(int)value : (int)value;
    return true;
}

/* Read text that is the digits of a number, as a double. */
static bool rounded(const uint8_t *text, const uint8_t *end, double *value) {
    char copy[64];
    size_t length = (size_t)(end - text);
    if (length >= sizeof(copy)) return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    char *stop;
    *value = strtod(copy, &stop);
    return stop == copy + length; /* it is not where numbers are written with a comma */
}

/* Read a number that is not negative, as JSON writes it, as a float32.
 *
 * The mantissa as a double and its product with a power of ten, which a double holds, are each
 * rounded once: two units in the last place of a double at most are lost in all (Clinger,
 * How to read floating point numbers accurately, 1990). What Python reads is within half a
 * unit. Where all that lies that near has one float32, that is the one of Python's double;
 * elsewhere, for one number in some ten million, the double is looked for with care.
 */
static inline bool amount(cursor *c, bool may_have_exponent, float *value) {
    const uint8_t *text = c->at;
    if (!is_digit_next(c)) return false;
    uint64_t mantissa = 0;
    int count = 0, power = 0;
    if (is_next(c, '0')) {
        c->at++;
        if (is_digit_next(c)) return false;
    } else {
        count = digits(c, MOST_DIGITS, &mantissa);
    }
    if (is_next(c, '.')) {
        const uint8_t *first = ++c->at;
        if (count == 0) {
            while (is_next(c, '0')) c->at++;
        }
        digits(c, MOST_DIGITS - count, &mantissa);
        if (c->at == first || c->at - first > MOST_POWER) return false;
        power = -(int)(c->at - first);
    }
    if (is_digit_next(c)) return false;
    if (may_have_exponent && is_next(c, 'e') && !exponent(c, &power)) return false;
    if (power < -MOST_POWER || power > MOST_POWER) return false;
    double near = (double)mantissa;
    near = power < 0 ? near / POWERS[-power] : near * POWERS[power];
    if ((float)(near * (1 - 0x1p-50)) != (float)(near * (1 + 0x1p-50))) {
        if (!rounded(text, c->at, &near)) return false;
    }
    *value = (float)near;
    return *value < MOST_NUMBER;
}

static inline bool signed_amount(cursor *c, bool may_have_exponent, float *value) {
    bool is_negative = is_next(c, '-');
    c->at += is_negative;
    if (!amount(c, may_have_exponent, value)) return false;
    if (is_negative) *value = -*value;
    return true;
}

/* Move behind the third comma, that behind the cells of an image. */
static inline bool skip_image(cursor *c) {
    for (int commas = 0; c->at < c->end && *c->at != '\n';) {
        if (*c->at++ == ',' && ++commas == 3) return true;
    }
    return false;
}

typedef struct {
    float x, y, width, height, confidence;
    int64_t track;
} region;

/* What a line is. */
enum { UNKNOWN, HAS_BOX, NO_BOX };

static inline bool ends_line(cursor *c) {
    return c->at == c->end || SKIP(c, "\n") || SKIP(c, "\r\n");
}

/* Read what stands behind the region_count of a frame without boxes, up to the end of the line. */
static inline bool read_no_region(cursor *c) {
    int64_t number;
    return SKIP(c, ",") && whole(c, 9, &number) && SKIP(c, ",\"{}\",\"{}\"") && ends_line(c);
}

/* Read what stands behind the region_count of a frame with boxes, up to the end of the line. */
static inline bool read_region(cursor *c, region *found) {
    int64_t number;
    return SKIP(c, ",") && whole(c, 9, &number) &&
           SKIP(c, ",\"{\"\"name\"\":\"\"rect\"\",\"\"x\"\":") &&
           signed_amount(c, false, &found->x) && SKIP(c, ",\"\"y\"\":") &&
           signed_amount(c, false, &found->y) && SKIP(c, ",\"\"width\"\":") &&
           amount(c, false, &found->width) && SKIP(c, ",\"\"height\"\":") &&
           amount(c, false, &found->height) && SKIP(c, "}\",\"{\"\"track\"\":\"\"") &&
           whole(c, 16, &found->track) && found->track < MOST_TRACK &&
           SKIP(c, "\"\", \"\"confidence\"\":\"\"") &&
           signed_amount(c, true, &found->confidence) && SKIP(c, "\"\"}\"") && ends_line(c);
}

/* Read what stands behind the cells of an image. */
static inline uint8_t read_rest(cursor *c, region *found) {
    int64_t n_regions;
    const uint8_t *text = c->at;
    if (!whole(c, 9, &n_regions)) return UNKNOWN;
    if (n_regions > 0) return read_region(c, found) ? HAS_BOX : UNKNOWN;
    return c->at == text + 1 && read_no_region(c) ? NO_BOX : UNKNOWN;
}

/* Return how often a byte is there. Lanes of one byte each, emptied before they overflow, are
 * what compilers make the best of. */
int64_t count_byte(const uint8_t *text, int64_t n_bytes, uint8_t byte) {
    enum { LANES = 64, MOST = 255 };
    int64_t sum = 0, place = 0;
    while (n_bytes - place >= LANES) {
        uint8_t lanes[LANES] = {0};
        for (int round = 0; round < MOST && n_bytes - place >= LANES; round++, place += LANES) {
            for (int lane = 0; lane < LANES; lane++) {
                lanes[lane] = (uint8_t)(lanes[lane] + (text[place + lane] == byte));
            }
        }
        for (int lane = 0; lane < LANES; lane++) sum += lanes[lane];
    }
    for (; place < n_bytes; place++) sum += text[place] == byte;
    return sum;
}

/* Read lines, and return how many there are.
 *
 * kind (n_lines,)      UNKNOWN, HAS_BOX or NO_BOX
 * counts (2,)          how many boxes and how many images were found
 * images (n, 2)        where the cells of an image begin and end; a run of rows is one image
 * image, track, corner (n, 2), size (n, 2), confidence
 *                      of each box
 *
 * All have room for as many as there are lines.
 */
int64_t scan_rows(const uint8_t *text, int64_t n_bytes, uint8_t *kind, int64_t *counts,
                  int64_t *images, int32_t *image, int64_t *track, float *corner, float *size,
                  float *confidence) {
    cursor c = {text, text + n_bytes};
    const uint8_t *cells = NULL; /* those of the image of the row before */
    int64_t length = 0, n_lines = 0, n_boxes = 0, n_images = 0;
    for (; c.at < c.end; n_lines++) {
        const uint8_t *line = c.at;
        bool is_same = cells != NULL && skip(&c, (const char *)cells, length);
        bool has_image = is_same || skip_image(&c);
        int64_t image_length = c.at - line;
        region found;
        kind[n_lines] = has_image ? read_rest(&c, &found) : UNKNOWN;
        if (kind[n_lines] == UNKNOWN) {
            const uint8_t *end = memchr(line, '\n', (size_t)(c.end - line));
            c.at = end == NULL ? c.end : end + 1;
            continue;
        }
        if (!is_same) {
            cells = line;
            length = image_length;
            images[2 * n_images] = line - text;
            images[2 * n_images + 1] = line + length - 1 - text; /* without the comma */
            n_images++;
        }
        if (kind[n_lines] == NO_BOX) continue;
        image[n_boxes] = (int32_t)(n_images - 1);
        track[n_boxes] = found.track;
        corner[2 * n_boxes] = found.x;
        corner[2 * n_boxes + 1] = found.y;
        size[2 * n_boxes] = found.width;
        size[2 * n_boxes + 1] = found.height;
        confidence[n_boxes] = found.confidence;
        n_boxes++;
    }
    counts[0] = n_boxes;
    counts[1] = n_images;
    return n_lines;
}
