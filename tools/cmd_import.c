/* cmd_import.c - atrousc import: the module of one call of another system.
 *
 *     atrousc import torch.Conv2d input=f32[1,3,8,8] in_channels=3 out_channels=4 kernel_size=3 > conv.hlo
 *
 * atr_import reads the call. --grad prints the module of a gradient instead. --init writes the arrays that the module's parameters 1 and 2, weight and bias, start with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atrous/operators.h"
#include "commands.h"
#include "file.h"
#include "job.h"

enum { WEIGHT = 1, BIAS = 2 };

/* NAME beside the file that the module goes to, or in this folder. */
static tool_exit write_beside(const char *module_path, const char *name, const arrays *a) {
  const char *slash = module_path != NULL ? strrchr(module_path, '/') : NULL;
  size_t len = slash != NULL ? (size_t)(slash + 1 - module_path) : 0;
  char *path = malloc(len + strlen(name) + 1);
  if (path == NULL) return report_out_of_memory();
  memcpy(path, module_path != NULL ? module_path : "", len);
  strcpy(path + len, name);
  args to = {.outputs = (const char *[]){path}, .output_count = 1};
  tool_exit code = arrays_write(a, &to);
  free(path);
  return code;
}

static tool_exit write_one(const char *module_path, const char *name, const arrays *a, int32_t parameter) {
  arrays one = {.count = 1, .shapes = &a->shapes[parameter], .data = &a->data[parameter]};
  return write_beside(module_path, name, &one);
}

static tool_exit write_initial(const job *j, const char *op) {
  uint64_t seed = 0;
  arrays a = {.count = 0};
  if (strncmp(op, "torch.", 6) != 0) return job_fail(op, "--init is for torch's operators");
  tool_exit code = args_seed(j->parsed, OPTION_INIT, &seed);
  if (code == TOOL_DONE) code = arrays_make(&a, j, false);
  if (code == TOOL_DONE) {
    bool has_bias = a.count > BIAS;
    atr_status status = atr_torch_conv_init(seed, a.shapes[WEIGHT], a.data[WEIGHT], has_bias ? a.shapes[BIAS] : NULL,
                                            has_bias ? a.data[BIAS] : NULL);
    const char *module_path = j->parsed->values[OPTION_OUTPUT_TEXT];
    if (status != ATR_OK) code = job_fail(op, "--init fills arrays of floats only");
    if (code == TOOL_DONE) code = write_one(module_path, "weight.npy", &a, WEIGHT);
    if (code == TOOL_DONE && has_bias) code = write_one(module_path, "bias.npy", &a, BIAS);
  }
  arrays_fini(&a);
  return code;
}

/* --grad: the name of an array argument. Those that are numbers in the call are no parameters. */
static tool_exit write_gradient(const job *j, const char *op, char **text) {
  const char *wanted = j->parsed->values[OPTION_GRAD];
  int32_t parameter = job_find_parameter(j, wanted);
  if (parameter >= 0) return job_gradient_text(j, parameter, text);
  char names[256] = "";
  for (int32_t p = 0; p < atr_module_parameter_count(j->module); p++) {
    size_t len = strlen(names);
    snprintf(names + len, sizeof names - len, "%s%s", p > 0 ? ", " : "", atr_module_parameter_name(j->module, p));
  }
  return job_fail(op, "--grad=%s; allowed: %s", wanted, names);
}

static tool_exit make_list(job *j, char **text) {
  const args *parsed = j->parsed;
  bool more = parsed->file_count > 0 || args_has(parsed, OPTION_GRAD) || args_has(parsed, OPTION_INIT);
  if (more) return args_fail(parsed, "option '--list' stands alone: it lists all operators");
  return job_report(j, atr_import_list(j->context, text));
}

static tool_exit make_text(job *j, char **text) {
  const args *parsed = j->parsed;
  if (args_has(parsed, OPTION_LIST)) return make_list(j, text);
  if (parsed->file_count == 0) return args_fail(parsed, "expected an operator, as torch.Conv2d; see --list");
  const char *op = parsed->files[0];
  tool_exit code = job_report(j, atr_import(j->context, op, parsed->files + 1, parsed->file_count - 1, &j->module, NULL));
  if (code == TOOL_DONE && args_has(parsed, OPTION_GRAD)) code = write_gradient(j, op, text);
  else if (code == TOOL_DONE) code = job_report(j, atr_module_print(j->context, j->module, text));
  if (code == TOOL_DONE && args_has(parsed, OPTION_INIT)) code = write_initial(j, op);
  return code;
}

tool_exit cmd_import(const args *parsed) {
  job j;
  char *text = NULL;
  tool_exit code = job_open(&j, parsed, NULL, 1);
  if (code == TOOL_DONE) code = make_text(&j, &text);
  return job_finish_text(&j, text, code);
}
