// Old names for the C library's functions, so that a library built on a new Linux loads on an old one. A linker records
// the newest version of each symbol that it finds, and the GNU C library 2.34 gave all of pthread a new one: what is
// built there would not load below it, though nothing new is used. tools/build-cpu.mjs has the linker send calls of
// these functions, the C++ library's too, to __wrap_*, which call the oldest version by name. Nothing needs more than
// 2.17 then; Node 20 itself needs 2.28.
#if defined(__linux__)
#include <features.h>
#endif

#if defined(__GLIBC__)
#include <pthread.h>

#if defined(__x86_64__)
#define WL_OLDEST "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define WL_OLDEST "GLIBC_2.17"
#endif

#if defined(WL_OLDEST)
#define WL_OLD(result, name, parameters, arguments)                       \
  extern "C" result old_##name parameters;                                \
  __asm__(".symver old_" #name "," #name "@" WL_OLDEST);                  \
  extern "C" result __wrap_##name parameters { return old_##name arguments; }

using Start = void* (*)(void*);
using Once = void (*)();
using Destroy = void (*)(void*);

WL_OLD(int, pthread_create, (pthread_t * thread, const pthread_attr_t* how, Start start, void* argument),
       (thread, how, start, argument))
WL_OLD(int, pthread_join, (pthread_t thread, void** result), (thread, result))
WL_OLD(int, pthread_once, (pthread_once_t * once, Once start), (once, start))
WL_OLD(int, __pthread_key_create, (pthread_key_t * key, Destroy destroy), (key, destroy))
WL_OLD(double, exp, (double x), (x))
WL_OLD(double, log, (double x), (x))
WL_OLD(double, pow, (double x, double y), (x, y))
WL_OLD(float, expf, (float x), (x))
WL_OLD(float, logf, (float x), (x))
WL_OLD(float, powf, (float x, float y), (x, y))

// 2.32 tells here whether a process has one thread, for the C++ library to save atomics: ours never has.
extern "C" char __libc_single_threaded __attribute__((visibility("hidden")));
char __libc_single_threaded = 0;
#endif
#endif
