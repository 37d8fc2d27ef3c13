/* Runs spandsp's DTMF receiver over 16-bit samples of a file, for the bench. Ours; only links the library.
 *
 * spandsp_driver FILE hits      prints "POSITION DIGIT" for every digit, the position in samples
 * spandsp_driver FILE cost N    prints the CPU nanoseconds of 160 samples, over N passes
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As the library's manual has them; its headers are not needed for two opaque functions. */
typedef struct dtmf_rx_state_s dtmf_rx_state_t;
typedef void (*digits_rx_callback_t)(void *user_data, const char *digits, int len);
dtmf_rx_state_t *dtmf_rx_init(dtmf_rx_state_t *s, digits_rx_callback_t callback, void *user_data);
int dtmf_rx(dtmf_rx_state_t *s, const int16_t amp[], int samples);

static long position;
static int quiet;

static void on_digits(void *user, const char *digits, int len)
{
    (void) user;
    for (int i = 0; i < len && !quiet; i++)
        printf("%ld %c\n", position, digits[i]);
}

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    FILE *file = fopen(argv[1], "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return 1;
    long count = ftell(file) / 2;
    rewind(file);
    int16_t *samples = malloc(count * 2 + 2);
    if (!samples || fread(samples, 2, count, file) != (size_t) count)
        return 1;
    dtmf_rx_state_t *state = dtmf_rx_init(NULL, on_digits, NULL);
    int passes = 1;
    if (strcmp(argv[2], "cost") == 0) {
        quiet = 1;
        passes = argc > 3 ? atoi(argv[3]) : 1;
    }
    double start = cpu_ns();
    long frames = 0;
    for (int pass = 0; pass < passes; pass++) {
        for (long at = 0; at + 160 <= count; at += 160, frames++) {
            position = at + 160;
            dtmf_rx(state, samples + at, 160);
        }
    }
    if (quiet)
        printf("%.2f\n", (cpu_ns() - start) / (frames ? frames : 1));
    return 0;
}
