/* wavelet.c - the a trous wavelet transform of a photograph: one module, one executable, eight pictures.
 *
 *     wavelet IN.png OUTDIR [--threads=N] [--noise=LEVELS] [--npy]
 *     wavelet --print [WIDTH HEIGHT]
 *
 * In: an RGB photograph. Out: what the algorithm with holes makes of it (Holschneider et al., 1989; Starck and Murtagh,
 * "Astronomical Image and Data Analysis"). c0 is the photograph, c[j+1] is c[j] smoothed by the B3 spline (1 4 6 4 1)/16 in
 * both directions with 2^j - 1 holes between its taps, mirrored at the borders, and plane w[j+1] = c[j] - c[j+1] is the
 * detail of that size. So
 *
 *     c0 = w1 + w2 + w3 + w4 + w5 + c5
 *
 * which is checked to rounding. A plane is denoised by dropping what noise alone could have made: coefficients below a
 * multiple of the noise that the plane is expected to carry. The enhanced picture is a weighted sum of the denoised planes.
 *
 * The size is known when the program runs, so the module is made by the builder: channels are the batch, the five
 * convolutions have rhs_dilation 1, 2, 4, 8, 16 and edge_mode reflect. `--print` prints it as HLO text; wavelet.hlo is that
 * text for 512 x 512. LEVELS is noise to be added to the photograph first, as a standard deviation in grey levels; then the
 * gain in dB is printed. */
#include <math.h>
#include <png.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "atrous/atrous.h"

enum { PLANES = 5, RESIDUAL = PLANES, DENOISED, ENHANCED, RESULTS, CHANNELS = 3, RUNS = 20 };

/* Per plane: standard deviation in it of noise with standard deviation 1 in the photograph (the 2-norm of the plane's
 * filter), the threshold in such deviations, and the weight in the enhanced picture. */
static const float NOISE[PLANES] = {0.890796f, 0.200664f, 0.0855075f, 0.0412174f, 0.0204250f};
static const float THRESHOLD[PLANES] = {3, 2, 2, 2, 2};
static const float WEIGHT[PLANES] = {1.5f, 2, 1.75f, 1.5f, 1.25f};

/* Five differences and five sums of numbers up to 1, each rounded by at most 2^-25, can be off by 2.5 units together. */
static const double UNIT = 1.0 / 8388608, MOST_UNITS = 4;
/* Between compiled and interpreted results, which add the 25 products in different orders, five times in turn. */
static const double MOST_DIFFERENCE = 1e-5;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "wavelet: %s\n", what);
  exit(1);
}

static void try(atr_context *context, atr_status status) {
  if (status != ATR_OK) die(atr_context_message(context));
}

static void *allocate(size_t bytes) {
  void *p = calloc(1, bytes);
  if (p == NULL) die("out of memory");
  return p;
}

/* ---- the module */

static atr_value build2(atr_builder *b, const char *opcode, atr_value x, atr_value y) {
  return atr_build_elementwise(b, opcode, (const atr_value[]){x, y}, 2);
}

static atr_value build_scalar(atr_builder *b, float value) {
  atr_shape scalar = atr_shape_make(ATR_F32, 0, NULL);
  return atr_build_constant(b, &scalar, &value);
}

static atr_value build_fill(atr_builder *b, const atr_shape *shape, atr_value scalar) {
  return atr_build_broadcast(b, scalar, shape, NULL, 0);
}

/* The B3 spline in two dimensions: the outer product of (1 4 6 4 1)/16 with itself. */
static atr_value build_spline(atr_builder *b) {
  static const float row[5] = {1, 4, 6, 4, 1};
  float taps[25];
  atr_shape shape = atr_shape_make(ATR_F32, 4, (const int64_t[]){1, 1, 5, 5});
  for (int i = 0; i < 25; i++) taps[i] = row[i / 5] * row[i % 5] / 256;
  return atr_build_constant(b, &shape, taps);
}

static atr_value build_smooth(atr_builder *b, atr_value c, atr_value spline, int64_t rate) {
  atr_conv_options options = {.size = sizeof options,
                              .padding = (const int64_t[][2]){{2 * rate, 2 * rate}, {2 * rate, 2 * rate}},
                              .rhs_dilation = (const int64_t[]){rate, rate},
                              .edge_mode = (const atr_edge_mode[]){ATR_EDGE_REFLECT, ATR_EDGE_REFLECT}};
  return atr_build_conv(b, c, spline, &options);
}

/* plane where |plane| >= sigma * deviations, else 0 */
static atr_value build_threshold(atr_builder *b, const atr_shape *shape, atr_value plane, atr_value sigma, float deviations) {
  atr_value least = build_fill(b, shape, build2(b, "multiply", sigma, build_scalar(b, deviations)));
  atr_value size = atr_build_elementwise(b, "abs", &plane, 1), zero = build_fill(b, shape, build_scalar(b, 0));
  return atr_build_elementwise(b, "select", (const atr_value[]){atr_build_compare(b, "GE", size, least), plane, zero}, 3);
}

/* Parameters: the photograph [channel, 1, y, x] in 0..1, the noise's standard deviation. Results: planes, residual,
 * denoised, enhanced. */
static atr_module *make_module(atr_context *context, int64_t width, int64_t height) {
  atr_builder *b;
  atr_module *module = NULL;
  atr_shape shape = atr_shape_make(ATR_F32, 4, (const int64_t[]){CHANNELS, 1, height, width});
  atr_shape scalar = atr_shape_make(ATR_F32, 0, NULL);
  try(context, atr_builder_create(context, "wavelet", &b));
  atr_value c = atr_build_parameter(b, "photograph", &shape), sigma = atr_build_parameter(b, "sigma", &scalar);
  atr_value spline = build_spline(b), results[RESULTS], kept[PLANES];
  for (int j = 0; j < PLANES; j++) {
    atr_value smooth = build_smooth(b, c, spline, INT64_C(1) << j);
    results[j] = build2(b, "subtract", c, smooth);
    kept[j] = build_threshold(b, &shape, results[j], sigma, THRESHOLD[j] * NOISE[j]);
    c = smooth;
  }
  results[RESIDUAL] = results[DENOISED] = results[ENHANCED] = c;
  for (int j = PLANES - 1; j >= 0; j--) {
    atr_value weighted = build2(b, "multiply", kept[j], build_fill(b, &shape, build_scalar(b, WEIGHT[j])));
    results[DENOISED] = build2(b, "add", results[DENOISED], kept[j]);
    results[ENHANCED] = build2(b, "add", results[ENHANCED], weighted);
  }
  try(context, atr_builder_finish(b, results, RESULTS, &module));
  atr_builder_destroy(b);
  return module;
}

static int print_module(int argc, char **argv) {
  atr_context *context = NULL;
  char *text;
  long width = argc == 4 ? strtol(argv[2], NULL, 10) : 512, height = argc == 4 ? strtol(argv[3], NULL, 10) : 512;
  if ((argc != 2 && argc != 4) || width < 0 || height < 0) die("usage: wavelet --print [WIDTH HEIGHT]");
  if (atr_context_create(NULL, &context) != ATR_OK) die("no context");
  atr_module *module = make_module(context, width, height);
  try(context, atr_module_print(context, module, &text));
  printf("// The a trous wavelet transform of a %ld x %ld photograph; written by `wavelet --print %ld %ld` (wavelet.c).\n%s",
         width, height, width, height, text);
  atr_string_free(context, text);
  atr_module_destroy(module);
  atr_context_destroy(context);
  return 0;
}

/* ---- pictures: planar f32 in 0..1 here, interleaved bytes in files */

typedef struct picture {
  int64_t width, height;
  float *pixels; /* [channel][y][x] */
} picture;

static size_t elements(const picture *p) { return (size_t)(CHANNELS * p->width * p->height); }

static picture read_png(const char *path) {
  png_image png = {.version = PNG_IMAGE_VERSION};
  if (!png_image_begin_read_from_file(&png, path)) die(png.message);
  png.format = PNG_FORMAT_RGB;
  picture p = {png.width, png.height, allocate(CHANNELS * sizeof(float) * png.width * png.height)};
  png_byte *bytes = allocate(PNG_IMAGE_SIZE(png));
  size_t area = (size_t)(p.width * p.height);
  if (!png_image_finish_read(&png, NULL, bytes, 0, NULL)) die(png.message);
  for (size_t i = 0; i < CHANNELS * area; i++) p.pixels[i % CHANNELS * area + i / CHANNELS] = (float)bytes[i] / 255;
  free(bytes);
  return p;
}

/* Writes offset + scale * pixel, in grey levels. */
static void write_png(const char *folder, const char *name, const picture *p, const float *pixels, float offset, float scale) {
  char path[4096];
  png_image png = {
      .version = PNG_IMAGE_VERSION, .width = (png_uint_32)p->width, .height = (png_uint_32)p->height, .format = PNG_FORMAT_RGB};
  png_byte *bytes = allocate(elements(p));
  size_t area = elements(p) / CHANNELS;
  for (size_t i = 0; i < CHANNELS * area; i++) {
    float level = offset + scale * 255 * pixels[i % CHANNELS * area + i / CHANNELS];
    bytes[i] = (png_byte)lrintf(fminf(fmaxf(level, 0), 255));
  }
  snprintf(path, sizeof path, "%s/%s.png", folder, name);
  if (!png_image_write_to_file(&png, path, 0, bytes, 0, NULL)) die(png.message);
  free(bytes);
}

/* NumPy's format 1.0, for wavelet_scipy.py and atrousc. */
static void write_npy(const char *folder, const char *name, const picture *p, const float *pixels) {
  char path[4096], header[128], shape[80] = "";
  if (p != NULL) snprintf(shape, sizeof shape, "%d, 1, %lld, %lld", CHANNELS, (long long)p->height, (long long)p->width);
  memset(header, ' ', sizeof header);
  memcpy(header, "\x93NUMPY\1\0\x76\0", 10);
  int len = snprintf(header + 10, sizeof header - 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", shape);
  header[10 + len] = ' ';
  header[127] = '\n';
  snprintf(path, sizeof path, "%s/%s.npy", folder, name);
  FILE *file = fopen(path, "wb");
  size_t count = p != NULL ? elements(p) : 1;
  if (file == NULL || fwrite(header, 128, 1, file) != 1 || fwrite(pixels, sizeof(float), count, file) != count ||
      fclose(file) != 0)
    die("cannot write an .npy file");
}

/* Gaussian noise (Box and Muller) from xorshift64*, the same in every run; rounded to grey levels as a camera would. */
static void add_noise(picture *p, double levels) {
  uint64_t state = 88172645463325252u;
  for (size_t i = 0; i < elements(p); i++) {
    double u[2];
    for (int k = 0; k < 2; k++) {
      state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
      u[k] = ((double)(state * 2685821657736338717u >> 11) + 0.5) / 9007199254740992.0;
    }
    double level = 255 * (double)p->pixels[i] + levels * sqrt(-2 * log(u[0])) * cos(6.283185307179586 * u[1]);
    p->pixels[i] = (float)rint(fmin(fmax(level, 0), 255)) / 255;
  }
}

/* ---- measures */

static int compare_floats(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* The noise of a photograph, from its finest plane, which is almost nothing but noise: median of magnitudes, robust against
 * edges. */
static float estimate_noise(const picture *p, const float *plane) {
  float *sizes = allocate(elements(p) * sizeof(float));
  for (size_t i = 0; i < elements(p); i++) sizes[i] = fabsf(plane[i]);
  qsort(sizes, elements(p), sizeof(float), compare_floats);
  float median = sizes[elements(p) / 2];
  free(sizes);
  return median / 0.6745f / NOISE[0];
}

static double largest_difference(const float *a, const float *b, size_t count) {
  double largest = 0;
  for (size_t i = 0; i < count; i++) {
    double difference = fabs((double)a[i] - (double)b[i]);
    if (!(difference <= largest)) largest = difference; /* a NaN counts as a difference */
  }
  return largest;
}

/* Peak signal-to-noise ratio in dB of pixels cut to 0..1. */
static double psnr(const float *pixels, const float *original, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    double d = (double)(fminf(fmaxf(pixels[i], 0), 1) - original[i]);
    sum += d * d;
  }
  return 10 * log10((double)count / sum);
}

/* How far the sum of all planes and the residual, from the coarsest on and rounded at every step, is from the photograph. */
static double rebuilding_error(const picture *p, float *const *results) {
  float *sum = allocate(elements(p) * sizeof(float));
  memcpy(sum, results[RESIDUAL], elements(p) * sizeof(float));
  for (int j = PLANES - 1; j >= 0; j--)
    for (size_t i = 0; i < elements(p); i++) sum[i] += results[j][i];
  double error = largest_difference(sum, p->pixels, elements(p));
  free(sum);
  return error;
}

/* ---- running */

typedef struct arrays {
  float sigma;
  const void *args[2];
  float *results[RESULTS];
} arrays;

static void make_arrays(const picture *p, arrays *a) {
  *a = (arrays){.args = {p->pixels, &a->sigma}};
  for (int r = 0; r < RESULTS; r++) a->results[r] = allocate(elements(p) * sizeof(float));
}

static void free_arrays(arrays *a) {
  for (int r = 0; r < RESULTS; r++) free(a->results[r]);
}

static double run(atr_context *context, const atr_executable *x, arrays *a) {
  double start = now();
  try(context, atr_executable_run(x, a->args, (void *const *)a->results, NULL));
  return now() - start;
}

/* Multiply-adds of the five convolutions, two operations each. */
static double operations(const picture *p) { return (double)(2 * 25 * PLANES * elements(p)); }

static void time_runs(atr_context *context, const atr_executable *x, const picture *p, arrays *a, double *least) {
  *least = run(context, x, a);
  for (int i = 1; i < RUNS; i++) *least = fmin(*least, run(context, x, a));
  printf("run          %9.3f ms   least of %d; %.1f GFLOP/s, counting the convolutions only\n", 1e3 * *least, RUNS,
         operations(p) / *least / 1e9);
}

/* Also the check of the compiled code: every result against the reference. */
static bool time_interpreter(atr_context *context, const atr_module *module, const picture *p, const arrays *a, double least) {
  arrays reference;
  double start = now(), largest = 0;
  make_arrays(p, &reference);
  reference.sigma = a->sigma;
  try(context, atr_module_interpret(context, module, reference.args, (void *const *)reference.results));
  double seconds = now() - start;
  for (int r = 0; r <= RESIDUAL; r++)
    largest = fmax(largest, largest_difference(a->results[r], reference.results[r], elements(p)));
  free_arrays(&reference);
  printf("interpreter  %9.3f ms   %.0f times as long; planes and residual differ by %.2g at most\n", 1e3 * seconds,
         seconds / least, largest);
  if (largest <= MOST_DIFFERENCE) return true;
  printf("that is more than %g: wrong\n", MOST_DIFFERENCE);
  return false;
}

static bool check_rebuilding(const picture *p, const arrays *a) {
  double units = rebuilding_error(p, a->results) / UNIT;
  printf("planes + residual = photograph, but for %.3g * 2^-23 at most\n", units);
  if (units <= MOST_UNITS) return true;
  printf("that is more than %g * 2^-23: wrong\n", MOST_UNITS);
  return false;
}

static void write_all(const char *folder, const picture *p, const arrays *a, bool npy) {
  char name[32];
  for (int j = 0; j < PLANES; j++) {
    snprintf(name, sizeof name, "plane-%d", j + 1);
    write_png(folder, name, p, a->results[j], 128, 3);
    if (npy) write_npy(folder, name, p, a->results[j]);
  }
  write_png(folder, "residual", p, a->results[RESIDUAL], 0, 1);
  write_png(folder, "denoised", p, a->results[DENOISED], 0, 1);
  write_png(folder, "enhanced", p, a->results[ENHANCED], 0, 1);
  if (!npy) return;
  write_npy(folder, "residual", p, a->results[RESIDUAL]);
  write_npy(folder, "photograph", p, p->pixels);
  write_npy(folder, "sigma", NULL, &a->sigma);
}

typedef struct settings {
  const char *in, *folder;
  int threads;
  double noise;
  bool npy;
} settings;

static settings read_settings(int argc, char **argv) {
  settings s = {.in = NULL};
  bool wrong = argc < 3;
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--threads=", 10) == 0) s.threads = atoi(argv[i] + 10);
    else if (strncmp(argv[i], "--noise=", 8) == 0) s.noise = atof(argv[i] + 8);
    else if (strcmp(argv[i], "--npy") == 0) s.npy = true;
    else if (argv[i][0] == '-' || s.folder != NULL) wrong = true;
    else if (s.in == NULL) s.in = argv[i];
    else s.folder = argv[i];
  }
  if (wrong || s.folder == NULL || s.threads < 0 || !(s.noise >= 0))
    die("usage: wavelet IN.png OUTDIR [--threads=N] [--noise=LEVELS] [--npy], or wavelet --print [WIDTH HEIGHT]");
  return s;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--print") == 0) return print_module(argc, argv);
  settings s = read_settings(argc, argv);
  picture p = read_png(s.in);
  float *original = allocate(elements(&p) * sizeof(float));
  memcpy(original, p.pixels, elements(&p) * sizeof(float));
  if (s.noise > 0) add_noise(&p, s.noise);

  atr_context *context = NULL;
  atr_executable *x = NULL;
  atr_context_options options = {.size = sizeof options, .threads = s.threads};
  if (atr_context_create(&options, &context) != ATR_OK) die("no context");
  atr_module *module = make_module(context, p.width, p.height);
  double start = now(), least;
  try(context, atr_compile(context, module, NULL, &x));
  printf("%s: %lld x %lld, %d planes\ncompile      %9.3f ms\n", s.in, (long long)p.width, (long long)p.height, PLANES,
         1e3 * (now() - start));

  arrays a;
  make_arrays(&p, &a);
  run(context, x, &a); /* with no threshold, for the first plane */
  a.sigma = estimate_noise(&p, a.results[0]);
  time_runs(context, x, &p, &a, &least);
  bool good = time_interpreter(context, module, &p, &a, least);
  good &= check_rebuilding(&p, &a);
  printf("noise found: %.2f grey levels\n", 255 * (double)a.sigma);
  if (s.noise > 0)
    printf("noise added: %.2f grey levels; noisy %.2f dB, denoised %.2f dB\n", s.noise, psnr(p.pixels, original, elements(&p)),
           psnr(a.results[DENOISED], original, elements(&p)));

  mkdir(s.folder, 0777); /* it may be there already; writing tells what else is wrong */
  if (s.noise > 0) write_png(s.folder, "noisy", &p, p.pixels, 0, 1);
  write_all(s.folder, &p, &a, s.npy);
  printf("pictures in %s: plane-1 to plane-%d (128 + 3 * value), residual, denoised, enhanced%s\n", s.folder, PLANES,
         s.noise > 0 ? ", noisy" : "");

  free_arrays(&a);
  free(original);
  free(p.pixels);
  atr_executable_release(x);
  atr_module_destroy(module);
  atr_context_destroy(context);
  return good ? 0 : 1;
}
