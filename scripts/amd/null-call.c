/*
 * A library to preload: a call through a null function pointer returns 0 instead of ending the process.
 *
 * Mesa's driver for AMD can compile for a chip that is not there (RADV_FORCE_FAMILY). Its stand-in for the hardware leaves a
 * function out that Mesa 25.0 calls when a device is opened. The processor then fetches its next instruction from address 0. What
 * is to be done is what the missing function would have done: take the return address from the stack, and go there with 0 as
 * the result. Nothing but x86_64 Linux is supported; the driver's other faults are not touched.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

typedef int set_action(int, const struct sigaction *, struct sigaction *);

/* The C library's own, which programs cannot reach: see below. */
static set_action *original(void) {
  static set_action *found;
  if (!found) found = (set_action *)dlsym(RTLD_NEXT, "sigaction");
  return found;
}

static void on_fault(int number, siginfo_t *info, void *context) {
  (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (registers[REG_RIP] != 0) {
    /* A real fault: as if there were no handler. The instruction runs again and ends the process. */
    struct sigaction usual = {.sa_handler = SIG_DFL};
    original()(number, &usual, NULL);
    return;
  }
  const greg_t *stack = (const greg_t *)registers[REG_RSP];
  registers[REG_RIP] = stack[0];
  registers[REG_RSP] += sizeof(greg_t);
  registers[REG_RAX] = 0;
}

/* Node installs a handler of its own for the same signal, which must not replace this one. */
int sigaction(int number, const struct sigaction *action, struct sigaction *before) {
  if (number == SIGSEGV && action) return 0;
  return original()(number, action, before);
}

__attribute__((constructor)) static void start(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  original()(SIGSEGV, &action, NULL);
}
