/* Streams R arrays of float in and W of them, in place, out again: the roof of an optimizer step.
 *
 * Compiled with -DR=… -DW=… (W <= R). Every value starts at 1 and stays exactly 1, since
 * 1 * (1 - R/16) + R * 1/16 = 1: nothing overflows, and nothing becomes a slow subnormal.
 */
#include <pthread.h>
#include <stddef.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef float vector __attribute__((vector_size(64)));
enum { LANES = sizeof(vector) / sizeof(float), MOST_THREADS = 1024 };

typedef struct {
    vector *const *streams;
    size_t begin, end; /* in vectors */
    int passes;
} slice;

static inline void put(vector *to, vector value) { *to = value; }

/* Past the caches. Without AVX-512 this is a plain store, and `has_nontemporal` says so. */
static inline void put_nontemporal(vector *to, vector value) {
#if defined(__AVX512F__)
    _mm512_stream_ps((float *)to, (__m512)value);
#else
    *to = value;
#endif
}

#define DEFINE_STREAM(NAME, PUT)                                                       \
    static void *NAME##_slice(void *argument) {                                        \
        const slice *s = argument;                                                     \
        for (int pass = 0; pass < s->passes; pass++)                                   \
            for (size_t k = s->begin; k < s->end; k++) {                               \
                vector values[R], sum = {0};                                           \
                for (int i = 0; i < R; i++) sum += values[i] = s->streams[i][k];       \
                for (int i = 0; i < W; i++)                                            \
                    PUT(&s->streams[i][k], values[i] * (1 - R / 16.0f) + sum / 16.0f); \
            }                                                                          \
        return NULL;                                                                   \
    }                                                                                  \
    /* Returns the number of threads that ran; 0 where there are too many. */          \
    int NAME(vector *const *streams, size_t floats, int threads, int passes) {         \
        pthread_t ids[MOST_THREADS];                                                   \
        slice slices[MOST_THREADS];                                                    \
        size_t vectors = floats / LANES;                                               \
        int started = 0;                                                               \
        if (threads > MOST_THREADS) return 0;                                          \
        for (int i = 0; i < threads; i++) {                                            \
            slices[i] = (slice){streams, vectors * i / threads,                        \
                                vectors * (i + 1) / threads, passes};                  \
            if (pthread_create(&ids[i], NULL, NAME##_slice, &slices[i])) break;        \
            started++;                                                                 \
        }                                                                              \
        for (int i = 0; i < started; i++) pthread_join(ids[i], NULL);                  \
        return started == threads ? threads : 0;                                       \
    }

DEFINE_STREAM(stream, put)
DEFINE_STREAM(stream_nontemporal, put_nontemporal)

int has_nontemporal(void) {
#if defined(__AVX512F__)
    return 1;
#else
    return 0;
#endif
}
