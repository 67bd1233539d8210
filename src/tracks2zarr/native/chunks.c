/* Boxes put into chunks of NaN, and chunks held against their boxes.
 *
 * `chunks.py` does the same with numpy where this is not compiled. Both are called with
 *
 * values   float32, of each row of some frames `n_sides` of them, `stride` values apart
 * frame, individual
 *          int64, where the box of each row lies in the chunk
 * rows     int64 (n_rows,), the rows whose boxes are in the chunk
 * chunk    float32 (n_frames, n_sides, n_individuals)
 */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Put values into a chunk, and return how many of them are numbers. */
int64_t put_values(const float *values, int64_t stride, const int64_t *frame,
                   const int64_t *individual, const int64_t *rows, int64_t n_rows,
                   int64_t n_sides, int64_t n_individuals, float *chunk) {
    int64_t n_numbers = 0;
    for (int64_t k = 0; k < n_rows; k++) {
        int64_t row = rows[k];
        float *to = chunk + frame[row] * n_sides * n_individuals + individual[row];
        for (int64_t side = 0; side < n_sides; side++) {
            float value = values[row * stride + side];
            to[side * n_individuals] = value;
            n_numbers += !isnan(value);
        }
    }
    return n_numbers;
}

/* Make a chunk NaN again where values were put into it. */
void clear_values(const int64_t *frame, const int64_t *individual, const int64_t *rows,
                  int64_t n_rows, int64_t n_sides, int64_t n_individuals, float *chunk) {
    for (int64_t k = 0; k < n_rows; k++) {
        int64_t row = rows[k];
        float *to = chunk + frame[row] * n_sides * n_individuals + individual[row];
        for (int64_t side = 0; side < n_sides; side++) to[side * n_individuals] = NAN;
    }
}

/* -0.0 is not 0.0, and NaN is NaN. */
static inline bool is_same(float a, float b) {
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Count the values that are not NaN; sums of few values are kept in lanes of 32 bits. */
static int64_t count_numbers(const float *values, int64_t n_values) {
    enum { AT_ONCE = 4096 };
    int64_t sum = 0;
    for (int64_t start = 0; start < n_values; start += AT_ONCE) {
        int64_t stop = n_values - start < AT_ONCE ? n_values : start + AT_ONCE;
        int32_t some = 0;
        for (int64_t place = start; place < stop; place++) some += values[place] == values[place];
        sum += some;
    }
    return sum;
}

/* Tell whether a chunk of `n_values` holds the values where they belong, and else NaN. */
int64_t holds_values(const float *values, int64_t stride, const int64_t *frame,
                     const int64_t *individual, const int64_t *rows, int64_t n_rows,
                     int64_t n_sides, int64_t n_individuals, const float *chunk,
                     int64_t n_values) {
    int64_t n_numbers = 0;
    for (int64_t k = 0; k < n_rows; k++) {
        int64_t row = rows[k];
        const float *at = chunk + frame[row] * n_sides * n_individuals + individual[row];
        for (int64_t side = 0; side < n_sides; side++) {
            float value = values[row * stride + side];
            if (!is_same(at[side * n_individuals], value)) return false;
            n_numbers += !isnan(value);
        }
    }
    return n_numbers == count_numbers(chunk, n_values);
}
